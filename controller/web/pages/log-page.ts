/** `/teams/:team/deployments/:name/logs`: the last lines of a container, as its node has them now. Scripts follow it. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { LogLine } from '../context.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { deploymentLink, nodeLink } from '../parts.ts';

export interface LogPage {
  readonly container: string;
  readonly tail: number;
  readonly lines: readonly LogLine[];
  /** Why there are no more lines; '' if these are all that were asked for. */
  readonly trouble: string;
}

export function logPage(team: string, deployment: DeploymentView, { container, tail, lines, trouble }: LogPage): Html {
  const query = new URLSearchParams({ container, tail: String(tail), follow: 'true' }).toString();
  return html`<div class="head"><div><h1>Log of ${container}</h1><p class="quiet">${deploymentLink(team, deployment.name)} on ${nodeLink(team, deployment.node)}; logs are read from the node and kept nowhere else.</p></div></div>
<form class="filters" method="get" action="${href('teams', team, 'deployments', deployment.name, 'logs')}" aria-label="Which log">
<label for="f-container">Container <select id="f-container" name="container">${deployment.containers.map(({ name }) => html`<option${name === container && html` selected`}>${name}</option>`)}</select></label>
<label for="f-tail">Last lines <select id="f-tail" name="tail">${[...new Set([100, 500, 2_000, tail])].sort((a, b) => a - b).map((count) => html`<option${count === tail && html` selected`}>${count}</option>`)}</select></label>
<button type="submit">Show</button></form>
<p class="quiet" id="log-state" role="status" data-keep="yes">${trouble}</p>
<pre class="log" id="log" tabindex="0" role="region" aria-label="Log of ${container}" data-keep="yes" data-follow="${href('api', 'v1', 'teams', team, 'deployments', deployment.name, 'logs')}?${query}">${lines.map((line) => `${line.at.toISOString().slice(0, 19).replace('T', ' ')}  ${line.text}\n`)}</pre>`;
}

/** `/teams/:team/deployments/:name`: what it is now, what runs, and how it came about. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { Heir } from '../../store/views/former.ts';
import type { History } from '../../store/views/history.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, commit, deploymentLink, image, pill, productLink, table, time, why } from '../parts.ts';
import { attemptDetails } from './attempt-details.ts';
import { attemptsOf, attemptTimeline } from './attempt-list.ts';
import { marks, target, versions } from './deployment-table.ts';
import { historyTable } from './history-list.ts';

/** Nothing says that it should run, nothing of it does, and nobody is about to change that. */
export function isGone({ declared, recordId, attempt }: DeploymentView): boolean {
  return !declared && recordId === null && attempt === null;
}

/** @param heir who adopted its target, where it is gone for that reason. */
export function deploymentPage(team: string, deployment: DeploymentView, history: History, now: Date, heir: Heir | null = null): Html {
  const attempts = attemptsOf(history);
  const [latest] = attempts;
  return html`<div class="head"><div>
<h1>${deployment.name}${marks(deployment)}</h1>
<p class="quiet">${productLink(team, deployment.product)} on ${target(team, deployment)}</p>
</div><p class="quiet side">from ${commit(deployment.commit)}<br>changed ${time(deployment.updatedAt, now)}</p></div>
${isGone(deployment) ? gone(team, history, heir, now) : present(team, deployment, now)}
${latest !== undefined && html`<section aria-labelledby="latest"><h2 id="latest">Latest attempt ${pill(latest.outcome ?? latest.state)}</h2><div class="card details">${attemptDetails(latest, now)}</div></section>`}
${attempts.length > 0 && html`<section aria-labelledby="attempts"><h2 id="attempts">Attempts <span class="count">${attempts.length}</span></h2>${attemptTimeline(team, deployment.name, attempts, now)}</section>`}
<section aria-labelledby="history"><h2 id="history">History <span class="count">${history.records.length}</span></h2>
<div class="card">${history.records.length === 0 ? html`<p class="empty">Nothing was deployed yet.</p>` : historyTable(team, deployment.name, history.records, now)}</div></section>`;
}

function present(team: string, deployment: DeploymentView, now: Date): Html {
  return html`${openAttempt(deployment, now)}
<dl class="states card">
<div><dt>Version</dt><dd><b class="big">${deployment.version ?? '–'}</b> ${deployment.versionKind !== null && badge(deployment.versionKind)} ${pill(deployment.status)}${versions(deployment)}${deployment.status === 'failed' && why(deployment.reason)}</dd></div>
<div><dt>Sync</dt><dd>${pill(deployment.sync)}${why(deployment.sync === 'synced' ? '' : deployment.syncReason || deployment.reason)}</dd></div>
<div><dt>Health</dt><dd>${pill(deployment.health)}${deployment.drifted && html` ${pill('drifted')}`}${why(deployment.healthReason)}</dd></div>
${deployment.waitingFor.length > 0 && html`<div><dt>Waits for</dt><dd>${deployment.waitingFor.join(', ')}</dd></div>`}
</dl>
${driftSection(deployment)}
<section aria-labelledby="containers"><h2 id="containers">Containers <span class="count">${deployment.containers.length}</span></h2><div class="card">${containers(team, deployment)}</div>
${deployment.observedAt !== null && html`<p class="quiet">last change seen ${time(deployment.observedAt, now)}</p>`}</section>`;
}

function gone(team: string, history: History, heir: Heir | null, now: Date): Html {
  if (heir !== null) return renamed(team, heir, now);
  const removed = history.removals.find(({ outcome }) => outcome === 'succeeded');
  return html`<p class="notice">Its manifest is gone, and nothing of it runs any more${removed !== undefined && html`: it was removed ${time(removed.finishedAt, now)}, with commit ${commit(removed.commit)}`}.</p>`;
}

export function renamed(team: string, { name, at, commit: from }: Heir, now: Date): Html {
  return html`<p class="notice">It was renamed: ${deploymentLink(team, name)} adopted its target ${time(at, now)}${from !== null && html`, with commit ${commit(from)}`}. Its containers and what was recorded of them went over.</p>`;
}

function openAttempt({ attempt }: DeploymentView, now: Date): Html | false {
  if (attempt === null) return false;
  const what = attempt.stopping ? 'An attempt that is being stopped' : attempt.kind === 'remove' ? 'A removal' : attempt.kind === 'heal' ? 'A healing attempt' : 'An attempt';
  const waits = new Date(attempt.notBefore) > now ? html`, until ${time(attempt.notBefore, now)}` : html``;
  return html`<p class="notice busy">${pill(attempt.state)} ${what} ${
    attempt.state === 'running' ? html`is under way, started ${time(attempt.startedAt, now)}${attempt.text !== null && html`: <b>${attempt.step}</b> ${attempt.text}`}` : html`waits for its turn${waits}`
  }.</p>`;
}

function driftSection(deployment: DeploymentView): Html | false {
  if (!deployment.drifted) return false;
  return html`<section aria-labelledby="drift"><h2 id="drift">Drift <span class="count">${deployment.drift.length}</span></h2><div class="card">
${table('What differs from the record', ['Container', 'Field', 'Recorded', 'Found'], deployment.drift.map((item) => html`<tr role="row"><th role="rowheader" scope="row">${item.container}</th>${cell('Field', html`<code class="wrap">${item.field}</code>`)}${cell('Recorded', html`<code class="wrap">${item.expected}</code>`)}${cell('Found', html`<code class="wrap">${item.actual}</code>`)}</tr>`))}</div></section>`;
}

function containers(team: string, deployment: DeploymentView): Html {
  if (deployment.containers.length === 0) return html`<p class="empty">No containers are known on the node.</p>`;
  const logs = (name: string): string => `${href('teams', team, 'deployments', deployment.name, 'logs')}?${new URLSearchParams({ container: name }).toString()}`;
  return table('Containers', ['Container', 'Image', 'State', 'Health', 'Restarts', 'Log'], deployment.containers.map((container) => html`<tr role="row">
<th role="rowheader" scope="row">${container.name}</th>
${cell('Image', image(container.image, container.digest))}
${cell('State', html`${container.state === 'running' ? pill('running', 'good') : container.state === 'exited' && container.exitCode === 0 ? pill('exited', 'dull') : pill(container.state)}${container.state === 'exited' && html` <span class="quiet">code ${container.exitCode}</span>`}${why(container.detail)}`)}
${cell('Health', container.health === 'none' || container.health === '' ? html`<span class="quiet">no check</span>` : pill(container.health))}
${cell('Restarts', container.restarts)}
${cell('Log', html`<a href="${logs(container.name)}" aria-label="Log of ${container.name}">Log</a>`)}</tr>`));
}

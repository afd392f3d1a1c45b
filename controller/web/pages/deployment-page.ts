/** `/teams/:team/deployments/:name`: what it is now, what runs, and how it came about. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { History } from '../../store/views/history.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, commit, image, pill, productLink, table, time, why } from '../parts.ts';
import { target, versions } from './deployment-table.ts';
import { attemptItem, recordItem } from './history-list.ts';

export function deploymentPage(team: string, deployment: DeploymentView, history: History, now: Date): Html {
  const { attempt } = deployment;
  return html`<div class="head"><div>
<h1>${deployment.name}${!deployment.declared && html` ${badge('manifest gone')}`}${deployment.protected && html` ${badge('protected')}`}</h1>
<p class="quiet">${productLink(team, deployment.product)} on ${target(team, deployment)}</p>
</div><p class="quiet side">from ${commit(deployment.commit)}<br>changed ${time(deployment.updatedAt, now)}</p></div>
${attempt !== null && html`<p class="notice">${pill(attempt.state)} ${attempt.stopping ? 'An attempt that is being stopped' : attempt.kind === 'remove' ? 'A removal' : attempt.kind === 'heal' ? 'A healing attempt' : 'An attempt'} ${
    attempt.state === 'running' ? html`is under way, started ${time(attempt.startedAt, now)}${attempt.text !== null && html`: <b>${attempt.step}</b> ${attempt.text}`}` : html`waits for its turn${new Date(attempt.notBefore) > now && html`, ${time(attempt.notBefore, now)}`}`
  }</p>`}
<dl class="states card">
<div><dt>Version</dt><dd><b class="big">${deployment.version ?? '–'}</b> ${deployment.versionKind !== null && badge(deployment.versionKind)} ${pill(deployment.status)}${versions(deployment)}${deployment.status === 'failed' && why(deployment.reason)}</dd></div>
<div><dt>Sync</dt><dd>${pill(deployment.sync)}${why(deployment.sync === 'synced' ? '' : deployment.syncReason || deployment.reason)}</dd></div>
<div><dt>Health</dt><dd>${pill(deployment.health)}${why(deployment.healthReason)}</dd></div>
${deployment.waitingFor.length > 0 && html`<div><dt>Waits for</dt><dd>${deployment.waitingFor.join(', ')}</dd></div>`}
</dl>
${driftSection(deployment)}
<section aria-labelledby="containers"><h2 id="containers">Containers <span class="count">${deployment.containers.length}</span></h2><div class="card">${containers(deployment)}</div>
${deployment.observedAt !== null && html`<p class="quiet">last change seen ${time(deployment.observedAt, now)}</p>`}</section>
<section aria-labelledby="history"><h2 id="history">History <span class="count">${history.records.length}</span></h2>
${history.records.length === 0 ? html`<p class="card empty">Nothing was deployed yet.</p>` : html`<ol class="timeline">${history.records.map((record, index) => recordItem(record, index === 0, now))}</ol>`}
</section>
${history.removals.length > 0 && html`<section aria-labelledby="removals"><h2 id="removals">Removals</h2><ol class="attempts card">${history.removals.map((removal) => attemptItem(removal, false, now))}</ol></section>`}`;
}

function driftSection(deployment: DeploymentView): Html | false {
  if (!deployment.drifted) return false;
  return html`<section aria-labelledby="drift"><h2 id="drift">Drift <span class="count">${deployment.drift.length}</span></h2><div class="card">
${table('What differs from the record', ['Container', 'Field', 'Recorded', 'Found'], deployment.drift.map((item) => html`<tr role="row"><th role="rowheader" scope="row">${item.container}</th>${cell('Field', html`<code>${item.field}</code>`)}${cell('Recorded', item.expected)}${cell('Found', item.actual)}</tr>`))}</div></section>`;
}

function containers(deployment: DeploymentView): Html {
  if (deployment.containers.length === 0) return html`<p class="empty">No containers are known on the node.</p>`;
  return table('Containers', ['Container', 'Image', 'State', 'Health', 'Restarts'], deployment.containers.map((container) => html`<tr role="row">
<th role="rowheader" scope="row">${container.name}</th>
${cell('Image', image(container.image, container.digest))}
${cell('State', html`${container.state === 'running' ? pill('running', 'good') : container.state === 'exited' && container.exitCode === 0 ? pill('exited', 'dull') : pill(container.state)}${container.state === 'exited' && html` <span class="quiet">code ${container.exitCode}</span>`}${why(container.detail)}`)}
${cell('Health', container.health === 'none' || container.health === '' ? html`<span class="quiet">no check</span>` : pill(container.health))}
${cell('Restarts', container.restarts)}</tr>`));
}

/** The list of deployments: sync and health are two columns, and each that is not fine says why in the row (R25). */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, deploymentLink, nodeLink, pill, productLink, table, time, why } from '../parts.ts';

export function deploymentTable(team: string, deployments: readonly DeploymentView[], now: Date, caption = 'Deployments'): Html {
  return table(caption, ['Deployment', 'Where', 'Version', 'Sync', 'Health', 'Why', 'Changed'], deployments.map((deployment) => row(team, deployment, now)), 'deployments');
}

function row(team: string, deployment: DeploymentView, now: Date): Html {
  return html`<tr role="row" id="d-${deployment.name}">
<th role="rowheader" scope="row">${deploymentLink(team, deployment.name)}${marks(deployment)}${deployment.product !== null && html`<span class="below">${productLink(team, deployment.product)}</span>`}</th>
${cell('Where', target(team, deployment))}
${cell('Version', html`<b>${deployment.version ?? '–'}</b> ${pill(deployment.status)}${versions(deployment)}`)}
${cell('Sync', pill(deployment.sync))}
${cell('Health', html`${pill(deployment.health)}${deployment.drifted && html` ${pill('drifted')}`}`)}
${cell('Why', reasons(deployment))}
${cell('Changed', time(deployment.updatedAt, now))}
</tr>`;
}

/** What sets it apart from the usual, beside its name. */
export function marks(deployment: DeploymentView): Html {
  return html`${!deployment.declared && html` ${badge('manifest gone')}`}${deployment.protected && html` ${badge('protected')}`}`;
}

export function target(team: string, deployment: DeploymentView): Html {
  return html`<span class="wrap">${nodeLink(team, deployment.node)}<span class="quiet"> / </span>${deployment.prefix ?? '?'}</span>${deployment.simulated && html` ${badge('simulated')}`}${deployment.leftovers.map(
    (left) => html`<p class="why">still on ${left.node} / ${left.prefix}</p>`,
  )}`;
}

/** What Git wants and what serves, where they are not the version of the record. */
export function versions(deployment: DeploymentView): Html | false {
  const { version, liveVersion, wantedVersion } = deployment;
  const live = liveVersion !== null && liveVersion !== version ? html`<p class="why">${liveVersion} serves</p>` : false;
  const wanted = wantedVersion !== null && wantedVersion !== version && deployment.declared ? html`<p class="why">Git asks for ${wantedVersion}</p>` : false;
  return live || wanted ? html`${live}${wanted}` : false;
}

/** Every sentence that explains something which is not fine, each once. */
function reasons(deployment: DeploymentView): Html {
  const drift = deployment.drift.slice(0, 3).map(({ container, field }) => `${container} ${field}`).join(', ');
  const more = deployment.drift.length > 3 ? ` and ${String(deployment.drift.length - 3)} more` : '';
  const sentences = [
    deployment.reason,
    deployment.sync !== 'synced' ? deployment.syncReason : '',
    deployment.healthReason,
    deployment.drifted ? `differs from the record: ${drift}${more}` : '',
  ];
  const said = [...new Set(sentences.filter((sentence) => sentence !== ''))];
  return said.length === 0 ? html`<span class="quiet" aria-hidden="true">–</span>` : html`${said.map(why)}`;
}

/** The table of deployments: sync and health are two columns, and each that is not fine says why (R25). */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge, cell, deploymentLink, image, nodeLink, pill, productLink, table, why } from '../parts.ts';

export function deploymentTable(team: string, deployments: readonly DeploymentView[]): Html {
  if (deployments.length === 0) return html`<p class="empty">No deployments. Add a manifest of <code>kind: Deployment</code> and push it.</p>`;
  return table('Deployments', ['Deployment', 'Target', 'Version', 'Sync', 'Health', 'Images'], deployments.map((deployment) => row(team, deployment)));
}

function row(team: string, deployment: DeploymentView): Html {
  return html`<tr role="row">
<th role="rowheader" scope="row">${deploymentLink(team, deployment.name)}${!deployment.declared && html` ${badge('manifest gone')}`}${deployment.protected && html` ${badge('protected')}`}<p class="quiet">${productLink(team, deployment.product)}</p></th>
${cell('Target', target(team, deployment))}
${cell('Version', html`<b>${deployment.version ?? '–'}</b> ${pill(deployment.status)}${failure(deployment)}${versions(deployment)}`)}
${cell('Sync', html`${pill(deployment.sync)}${why(syncWhy(deployment))}`)}
${cell('Health', html`${pill(deployment.health)}${drift(deployment)}${why(deployment.healthReason)}`)}
${cell('Images', images(deployment))}
</tr>`;
}

export function target(team: string, deployment: DeploymentView): Html {
  return html`${nodeLink(team, deployment.node)}<span class="quiet"> / </span>${deployment.prefix ?? '?'}${deployment.simulated && html` ${badge('simulated')}`}${deployment.leftovers.map(
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

function failure(deployment: DeploymentView): Html | false {
  return deployment.status === 'failed' && why(deployment.reason);
}

function syncWhy(deployment: DeploymentView): string {
  if (deployment.sync === 'synced') return '';
  return deployment.status === 'failed' ? deployment.syncReason : deployment.reason;
}

function drift(deployment: DeploymentView): Html | false {
  return (
    deployment.drifted &&
    html` <span class="pill busy"><span aria-hidden="true">≠</span> drifted</span><p class="why">${deployment.drift.slice(0, 3).map(({ container, field }) => `${container} ${field}`).join(', ')}${deployment.drift.length > 3 && ` and ${String(deployment.drift.length - 3)} more`}</p>`
  );
}

function images(deployment: DeploymentView): Html {
  if (deployment.containers.length === 0) return html`<span class="quiet">–</span>`;
  return html`<ul class="plain">${deployment.containers.map((container) => html`<li>${image(container.image, container.digest)}</li>`)}</ul>`;
}

/** `/`: the teams, with what is not fine in each. */
import type { TeamSummary } from '../../store/views/teams.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { commit, pill, plural, time } from '../parts.ts';

export interface DeploymentCount {
  readonly team: string;
  readonly sync: string;
  readonly health: string;
  readonly count: number;
}

export function teamsPage(teams: readonly TeamSummary[], counts: readonly DeploymentCount[], now: Date): Html {
  return html`<h1>Teams</h1>
${teams.length === 0 && html`<section class="card empty"><p>No team yet.</p><p class="quiet">Name one under <code>teams</code> in the controller's configuration.</p></section>`}
<ul class="tiles">${teams.map((team) => tile(team, counts.filter((count) => count.team === team.name), now))}</ul>`;
}

function tile(team: TeamSummary, counts: readonly DeploymentCount[], now: Date): Html {
  const total = sum(counts);
  const healthy = sum(counts.filter(({ health }) => health === 'healthy'));
  const synced = sum(counts.filter(({ sync }) => sync === 'synced'));
  return html`<li class="card tile">
<h2><a href="${href('teams', team.name)}">${team.name}</a></h2>
<p class="quiet wrap">${team.repository} · ${team.branch}${team.directory !== '' && html` · ${team.directory}`}</p>
<dl class="figures">
<div><dt>healthy</dt><dd>${healthy}<span class="of">/${total}</span></dd></div>
<div><dt>synced</dt><dd>${synced}<span class="of">/${total}</span></dd></div>
<div><dt>nodes</dt><dd>${team.nodesConnected}<span class="of">/${team.nodes}</span></dd></div>
</dl>
${team.errors > 0 && html`<p>${pill('error')} ${plural(team.errors, 'error')} in the repository</p>`}
${team.warnings > 0 && html`<p>${pill('warning')} ${plural(team.warnings, 'warning')} in the repository</p>`}
${team.pollFailures > 0 && html`<p>${pill('warning')} the repository could not be read ${plural(team.pollFailures, 'time')} in a row</p>`}
<p class="quiet">at ${commit(team.commit)}, polled ${time(team.polledAt, now)}</p>
</li>`;
}

function sum(counts: readonly DeploymentCount[]): number {
  return counts.reduce((total, { count }) => total + count, 0);
}

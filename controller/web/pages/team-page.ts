/** `/teams/:team`: one sentence first, then problems, then what needs a look, then what is in order. */
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import type { NodeView } from '../../store/views/nodes.ts';
import type { TeamView } from '../../store/views/teams.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { commit, mark, nodeLink, plural, time } from '../parts.ts';
import { applyFilter, byUrgency, filterHref, GROUPS, needsLook, NO_FILTER, PAGE_SIZE } from './deployment-filter.ts';
import type { DeploymentFilter } from './deployment-filter.ts';
import { filterForm } from './filter-form.ts';
import { deploymentMatrix } from './deployment-matrix.ts';
import { deploymentTable } from './deployment-table.ts';
import { problemList } from './problem-list.ts';

export interface TeamPage {
  readonly team: TeamView;
  readonly deployments: readonly DeploymentView[];
  readonly nodes: readonly NodeView[];
  readonly filter: DeploymentFilter;
}

export function teamPage(page: TeamPage, now: Date): Html {
  const { team, deployments } = page;
  return html`<div class="head"><div><h1>${team.name}</h1>
<p class="quiet wrap">${team.repository} · ${team.branch}${team.directory !== '' && html` · ${team.directory}`}</p></div>
<p class="quiet side">at ${commit(team.commit)}, changed ${time(team.syncedAt, now)}<br>polled ${time(team.polledAt, now, 'polled')}</p></div>
${summary(page)}
${team.pollFailures > 0 && html`<p class="notice bad">${mark('bad')} <b>Polling fails.</b> The repository could not be read ${plural(team.pollFailures, 'time')} in a row; what is deployed stays as it is.</p>`}
${problemList(team.problems)}
${deployments.length === 0 ? html`<p class="card empty">No deployments. Add a manifest of <code>kind: Deployment</code> and push it.</p>` : deploymentSections(page, now)}`;
}

function summary({ team, deployments, nodes, filter }: TeamPage): Html {
  const looks = deployments.filter(needsLook).length;
  const away = nodes.filter(({ status }) => status === 'unreachable');
  const errors = team.problems.filter(({ severity }) => severity === 'error').length;
  const fine = looks === 0 && away.length === 0 && errors === 0 && team.pollFailures === 0;
  const parts = GROUPS.map((group) => ({ ...group, count: deployments.filter(group.test).length })).filter(({ count, word }) => count > 0 && word !== 'attention');
  return html`<section class="card summary" aria-label="Summary">
<p class="verdict">${mark(fine ? 'good' : 'bad')} ${deployments.length > 0 && html`<b>${looks === 0 ? `All ${plural(deployments.length, 'deployment')} in order` : `${String(looks)} of ${plural(deployments.length, 'deployment')} ${looks === 1 ? 'needs' : 'need'} a look`}</b>`}${deployments.length === 0 && html`<b>Nothing is declared yet</b>`}${
    errors > 0 && html`, <a href="#problems">${plural(errors, 'error')} in the repository</a>`}${
    away.length > 0 && html`, ${away.length === 1 ? 'node' : 'nodes'} ${away.slice(0, 4).map((node, index) => html`${index > 0 && ', '}${nodeLink(team.name, node.name)}`)}${away.length > 4 && html` and <a href="${href('teams', team.name, 'nodes')}">${away.length - 4} more</a>`} unreachable`}.</p>
${parts.length > 0 && html`<ul class="chips" aria-label="Deployments by state">${parts.map(({ word, text, tone, count }) => html`<li><a class="chip ${tone}" href="${filterHref(team.name, filter, { show: filter.show === word ? '' : word })}"${filter.show === word && html` aria-current="true"`}>${mark(tone)} <b>${count}</b> ${text}</a></li>`)}</ul>`}
</section>`;
}

function deploymentSections({ team, deployments, nodes, filter }: TeamPage, now: Date): Html {
  const found = applyFilter(deployments, filter);
  const filtered = filter.show !== '' || filter.node !== '' || filter.product !== '' || filter.q !== '';
  return html`<section aria-labelledby="deployments">
<div class="head"><h2 id="deployments">Deployments <span class="count">${filtered ? `${String(found.length)} of ${String(deployments.length)}` : deployments.length}</span></h2>
<ul class="switch" aria-label="View"><li><a href="${filterHref(team.name, filter, { view: '' })}"${filter.view === '' && html` aria-current="true"`}>List</a></li><li><a href="${filterHref(team.name, filter, { view: 'where' })}"${filter.view === 'where' && html` aria-current="true"`}>What is where</a></li></ul></div>
${filterForm(team.name, deployments, filter, filtered)}
${found.length === 0 ? html`<p class="card empty">No deployment is like that. <a href="${filterHref(team.name, NO_FILTER, { view: filter.view })}">Show all</a></p>` : filter.view === 'where' ? html`<div class="card">${deploymentMatrix(team.name, found, nodes, filter)}</div>` : list(team.name, found, filter, now)}
</section>`;
}

function list(team: string, found: readonly DeploymentView[], filter: DeploymentFilter, now: Date): Html {
  const ordered = byUrgency(found);
  const pages = Math.ceil(ordered.length / PAGE_SIZE);
  const page = Math.min(filter.page, pages);
  const shown = ordered.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
  const [looks, rest] = [shown.filter(needsLook), shown.filter((deployment) => !needsLook(deployment))];
  return html`${looks.length > 0 && html`<h3 id="look">Need a look <span class="count">${looks.length}</span></h3><div class="card">${deploymentTable(team, looks, now, 'Deployments that need a look')}</div>`}
${rest.length > 0 && html`<h3 id="fine">In order <span class="count">${rest.length}</span></h3><div class="card">${deploymentTable(team, rest, now, 'Deployments that are in order')}</div>`}
${pages > 1 && html`<nav class="pager" aria-label="Pages">${page > 1 && html`<a href="${filterHref(team, filter, { page: page - 1 })}" rel="prev">Previous</a>`}<span>Page ${page} of ${pages}</span>${page < pages && html`<a href="${filterHref(team, filter, { page: page + 1 })}" rel="next">Next</a>`}</nav>`}`;
}

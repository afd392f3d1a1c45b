/** Problems of the repository: where, what, and what to do (SPEC §2). */
import type { ProblemView } from '../../store/views/teams.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { pill } from '../parts.ts';

/** More are folded away: what is deployed must not drop off the screen. */
const OPEN = 4;

export function problemList(problems: readonly ProblemView[]): Html | false {
  if (problems.length === 0) return false;
  const ordered = [...problems].sort((a, b) => Number(a.severity !== 'error') - Number(b.severity !== 'error'));
  const [first, rest] = [ordered.slice(0, OPEN), ordered.slice(OPEN)];
  return html`<section aria-labelledby="problems"><h2 id="problems">Problems in the repository <span class="count">${problems.length}</span></h2>
<ul class="problems card">${first.map(item)}</ul>
${rest.length > 0 && html`<details id="more-problems" class="card"><summary>${rest.length} more</summary><ul class="problems">${rest.map(item)}</ul></details>`}</section>`;
}

function item(problem: ProblemView): Html {
  const place = problem.line > 0 ? `${problem.file}:${String(problem.line)}:${String(problem.column)}` : problem.file;
  return html`<li>${pill(problem.severity)} <b>${problem.code}</b>${place !== '' && html` <code class="wrap">${place}</code>`}
<p class="wrap">${problem.message}${problem.hint !== '' && html` <span class="quiet">${problem.hint}</span>`}</p></li>`;
}

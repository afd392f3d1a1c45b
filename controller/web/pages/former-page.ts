/** `/teams/:team/deployments/:name` of one that was renamed: links of the audit log lead there still. */
import type { FormerDeployment } from '../../store/views/former.ts';
import { href, html } from '../html.ts';
import type { Html } from '../html.ts';
import { badge } from '../parts.ts';
import { auditTable } from './audit-page.ts';
import { renamed } from './deployment-page.ts';

export function formerPage(team: string, name: string, { rows, heir }: FormerDeployment, now: Date): Html {
  const all = `${href('teams', team, 'audit')}?${new URLSearchParams({ object: `deployment/${name}` }).toString()}`;
  return html`<h1>${name} ${badge('gone')}</h1>
${heir === null ? html`<p class="notice">There is no deployment of this name any more.</p>` : renamed(team, heir, now)}
<section aria-labelledby="audit"><h2 id="audit">What happened under this name</h2><div class="card">${auditTable(team, rows, now)}</div>
<p><a href="${all}">All of it in the audit log</a></p></section>`;
}

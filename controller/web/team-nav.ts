/** The bar below the head of every page of a team. A page that should be found there is one line in `TEAM_PAGES`. */
import { href, html } from './html.ts';
import type { Html } from './html.ts';

/** `path`: the segment after the team's name; '' is the overview. */
const TEAM_PAGES = [
  { path: '', text: 'Overview' },
  { path: 'products', text: 'Products' },
  { path: 'nodes', text: 'Nodes' },
  { path: 'reviews', text: 'Reviews' },
  { path: 'deliveries', text: 'Deliveries' },
  { path: 'audit', text: 'Audit' },
] as const;

/** `section`: the page's own segment; a page below it (one node of the nodes) marks its section, too. */
export function teamNav(team: string, section: string): Html {
  const current = section === 'deployments' ? '' : section;
  return html`<nav class="tabs" aria-label="Team ${team}"><ul>${TEAM_PAGES.map(({ path, text }) => {
    const address = path === '' ? href('teams', team) : href('teams', team, path);
    return html`<li><a href="${address}"${path === current && html` aria-current="${section === path ? 'page' : 'true'}"`}>${text}</a></li>`;
  })}</ul></nav>`;
}

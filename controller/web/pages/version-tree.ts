/** The versions of a product as a tree, drawn from the tags: the newest on top, rolling branches above, marks by shape and in words. */
import type { VersionUse, VersionView } from '../../store/views/products.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { placeVersions } from './version-lanes.ts';
import type { Placed } from './version-lanes.ts';

const ROW = 26;
const LANE = 20;
const LEFT = 16;

/** What a version is now, the first that holds of all its targets. */
const USES = ['serves', 'in-progress', 'preparing', 'downgraded', 'obsolete', 'failed', 'successful'] as const;
type Use = (typeof USES)[number] | 'not deployed';

/** Deployments by version (`kind/name`) and by what the version is there. */
export type Uses = ReadonlyMap<string, ReadonlyMap<Use, readonly string[]>>;

export function groupUses(uses: readonly VersionUse[]): Uses {
  const all = new Map<string, Map<Use, string[]>>();
  for (const { kind, version, deployment, live, status } of uses) {
    const key = `${kind}/${version}`;
    const found = all.get(key) ?? new Map<Use, string[]>();
    const word: Use = live ? 'serves' : status;
    found.set(word, [...(found.get(word) ?? []), deployment]);
    all.set(key, found);
  }
  return all;
}

/** In the order of `USES`. */
export function usesOf(version: VersionView, uses: Uses): ReadonlyMap<Use, readonly string[]> {
  const found = uses.get(`${version.kind}/${version.name}`);
  return new Map(USES.flatMap((word) => (found?.has(word) === true ? [[word, found.get(word) ?? []] as const] : [])));
}

export function versionTree(product: string, versions: readonly VersionView[], uses: Uses): Html {
  const rolling = versions.filter(({ kind }) => kind === 'rolling');
  const incremental = versions.filter(({ kind }) => kind === 'incremental');
  const placed = placeVersions(incremental);
  const lanes = Math.max(1, ...placed.map(({ lane }) => lane + 1));
  const text = LEFT + lanes * LANE + 8;
  const at = new Map(placed.map((one) => [one.name, one]));
  const height = versions.length * ROW + 8;
  const point = ({ row, lane }: Pick<Placed, 'row' | 'lane'>): readonly [x: number, y: number] => [LEFT + lane * LANE, (row + rolling.length) * ROW + ROW / 2 + 4];
  const roots = placed.filter(({ parent }) => parent === null).length;
  const said = `Version tree of ${product}: ${String(incremental.length)} tagged ${incremental.length === 1 ? 'version' : 'versions'} from ${String(roots)} ${roots === 1 ? 'root' : 'roots'}, ${String(rolling.length)} rolling. The table below says the same in words.`;
  return html`<div class="scroll tree" tabindex="0" role="region" aria-label="Drawing of the versions"><svg width="${text + 720}" height="${height}" role="img" aria-label="${said}">
${placed.map((one) => edge(point(one), one.parent === null ? undefined : at.get(one.parent), point))}
${rolling.map((version, row) => line(version, usesOf(version, uses), [LEFT, row * ROW + ROW / 2 + 4], text))}
${incremental.map((version, index) => line(version, usesOf(version, uses), point(placed[index] ?? { row: index, lane: 0 }), text))}
</svg></div>
<p class="quiet legend">${(['serves', 'obsolete', 'downgraded', 'failed', 'not deployed'] as const).map((word) => html`<span><svg width="16" height="16" aria-hidden="true">${shape(word, 8, 8)}</svg> ${word}</span> `)}<span><svg width="16" height="16" aria-hidden="true">${branch(8, 8)}</svg> rolling</span></p>`;
}

/** From a version up out of its parent's lane: straight, then a bend next to the child. */
function edge([x, y]: readonly [number, number], parent: Placed | undefined, point: (of: Placed) => readonly [number, number]): Html | false {
  if (parent === undefined) return false;
  const [px, py] = point(parent);
  if (px === x) return html`<path class="edge" d="M${px} ${py}V${y}"/>`;
  const bend = py + (y < py ? -ROW : ROW);
  return html`<path class="edge" d="M${px} ${py}C${px} ${(py + bend) / 2} ${x} ${(py + bend) / 2} ${x} ${bend}V${y}"/>`;
}

function line(version: VersionView, uses: ReadonlyMap<Use, readonly string[]>, [x, y]: readonly [number, number], text: number): Html {
  const [main] = uses.keys();
  const flags = [version.frozen && 'frozen', version.refGone && (version.kind === 'rolling' ? 'branch gone' : 'tag gone')].filter((flag) => flag !== false).join(', ');
  const words = [...uses].map(([use, names]) => `${use} ${use === 'serves' ? 'as' : 'on'} ${short(names.slice(0, 3).join(', '), 60)}${names.length > 3 ? ` and ${String(names.length - 3)} more` : ''}`).join(' · ');
  return html`<g class="version">${version.kind === 'rolling' ? branch(x, y) : shape(main ?? 'not deployed', x, y)}<text class="name${main === 'serves' && ' live'}" x="${text}" y="${y + 4}">${short(version.name, 24)}</text><text class="flag" x="${text + 190}" y="${y + 4}">${flags}</text><text class="use" x="${text + 290}" y="${y + 4}">${short(words, 110)}</text><title>${version.name}${flags !== '' && `, ${flags}`}${words !== '' && `: ${words}`}</title></g>`;
}

function shape(use: Use, x: number, y: number): Html {
  switch (use) {
    case 'serves':
      return html`<circle class="dot serves" cx="${x}" cy="${y}" r="6"/>`;
    case 'downgraded':
      return html`<path class="dot downgraded" d="M${x - 6} ${y - 5}H${x + 6}L${x} ${y + 6}Z"/>`;
    case 'failed':
      return html`<path class="dot failed" d="M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x + 4} ${y - 4}L${x - 4} ${y + 4}"/>`;
    case 'in-progress':
    case 'preparing':
      return html`<path class="dot busy" d="M${x - 5} ${y - 5}H${x + 5}V${y + 5}H${x - 5}Z"/>`;
    case 'obsolete':
    case 'successful':
      return html`<circle class="dot obsolete" cx="${x}" cy="${y}" r="5"/>`;
    case 'not deployed':
      return html`<circle class="dot none" cx="${x}" cy="${y}" r="3"/>`;
  }
}

function branch(x: number, y: number): Html {
  return html`<path class="dot rolling" d="M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z"/>`;
}

function short(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

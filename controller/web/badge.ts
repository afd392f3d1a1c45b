/** `/badges/:team/:deployment.svg` and `/badges/:team.svg`: status and sync as a picture, for those who may see the team. */
import type { DeploymentView } from '../store/views/deployment-rows.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';

/** White on each has a contrast of 4.5 or more. */
const TONES = { good: '#14683c', busy: '#7a4f00', bad: '#a3271a', dull: '#4b5b64' } as const;
type Tone = keyof typeof TONES;

/** About the width of a letter at 11 px; `textLength` makes the text fit whatever the font. */
const LETTER = 6.1;
const LONGEST = 60;

export function deploymentBadge(deployment: DeploymentView): Html {
  const { name, version, status, sync, health, drifted } = deployment;
  const words = [`${version ?? 'no version'} ${status}`, ...(sync === 'synced' ? ['synced'] : [sync]), ...(health === 'healthy' ? [] : [health]), ...(drifted ? ['drifted'] : [])];
  return badgePicture(name, words.join(', '), toneOf(deployment));
}

/** A team: how many of its deployments are in order. */
export function teamBadge(team: string, deployments: readonly DeploymentView[]): Html {
  const tones = deployments.map(toneOf);
  const fine = tones.filter((tone) => tone === 'good').length;
  const failed = deployments.filter(({ status }) => status === 'failed').length;
  const words = deployments.length === 0 ? 'nothing deployed' : fine === tones.length ? `${String(fine)} in order` : `${String(fine)} of ${String(tones.length)} in order${failed > 0 ? `, ${String(failed)} failed` : ''}`;
  return badgePicture(team, words, deployments.length === 0 ? 'dull' : (['bad', 'busy', 'dull'] as const).find((tone) => tones.includes(tone)) ?? 'good');
}

function toneOf({ status, sync, health, drifted }: DeploymentView): Tone {
  if (status === 'failed' || sync === 'blocked' || health === 'degraded' || health === 'missing') return 'bad';
  if (sync !== 'synced' || health === 'progressing' || drifted) return 'busy';
  return health === 'unknown' ? 'dull' : 'good';
}

function badgePicture(left: string, right: string, tone: Tone): Html {
  const [a, b] = [short(left), short(right)];
  const [aw, bw] = [Math.ceil(a.length * LETTER), Math.ceil(b.length * LETTER)];
  const [split, width] = [aw + 14, aw + bw + 28];
  return html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" viewBox="0 0 ${width} 20" role="img" aria-label="${left}: ${right}">
<title>${left}: ${right}</title>
<clipPath id="edge"><rect width="${width}" height="20" rx="4"/></clipPath>
<g clip-path="url(#edge)"><rect width="${split}" height="20" fill="#2b3a42"/><rect x="${split}" width="${width - split}" height="20" fill="${TONES[tone]}"/></g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"><text x="7" y="14" textLength="${aw}" lengthAdjust="spacingAndGlyphs">${a}</text><text x="${split + 7}" y="14" textLength="${bw}" lengthAdjust="spacingAndGlyphs">${b}</text></g>
</svg>
`;
}

/** By whole characters, and without what XML cannot hold. */
function short(text: string): string {
  const letters = [...text];
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST - 1).join('')}…` : text;
}

/** A name that nobody has. */
import type { Kind, Manifest, ManifestSet } from '../model/manifest.ts';
import { objectName } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { didYouMean } from './did-you-mean.ts';

/** No problem where it is known. `kind`: what the name should be of; `pointer`: where it stands. */
export function missing(manifest: Manifest, kind: Kind | 'image', name: string, pointer: string, candidates: Iterable<string>, known: boolean): Problem[] {
  if (known) return [];
  const near = didYouMean(name, candidates);
  const options = { object: objectName(manifest), ...(near === null ? {} : { hint: `Did you mean ${near}?` }) };
  return [problem('UnknownReference', manifest.position(pointer), `there is no ${kind} ${name}`, options)];
}

/** Better hints, by message, for what is missing only because its own manifest has a fault: that one is to be mended, not the reference. */
export function brokenHints(set: ManifestSet): ReadonlyMap<string, string> {
  const hints = new Map<string, string>();
  for (const { object, severity, file, line } of set.problems) {
    const [kind, name] = object?.split('/') ?? [];
    if (severity !== 'error' || kind === undefined || name === undefined || set.byKind[kind as Kind]?.has(name) === true) continue;
    const hint = `Its manifest is there but has a problem: ${file}:${line}.`;
    hints.set(`there is no ${kind} ${name}`, hint);
    if (kind === 'Version') hints.set(`product ${name} has no Version manifest here`, hint);
  }
  return hints;
}

/** A name that nobody has. */
import type { Kind, Manifest } from '../model/manifest.ts';
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

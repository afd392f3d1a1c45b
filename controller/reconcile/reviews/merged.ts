/** Which reviewed request a new state of the branch is: by its head, or by its content, as after a squash or a rebase. */
import type { Line } from '../../git/ancestry.ts';
import type { Mirror } from '../../git/mirror.ts';
import type { ReviewState } from '../../store/reviews.ts';
import { contentByPath, mergeInto } from './merge.ts';

/**
 * Refs of the open reviews that came in with `commit`: its history holds their head, or every file that they change is
 * there as they would have it. `lineAt` gives a commit with its ancestors. Only reads.
 */
export async function mergedBy(mirror: Mirror, reviews: readonly ReviewState[], commit: string, lineAt: (commit: string) => Promise<Line>): Promise<string[]> {
  const line = await lineAt(commit);
  const arrived = new Map<string, Map<string, string>>();
  const lines = new Map<string, Line>();
  const found: string[] = [];
  for (const { ref, state, head, base } of reviews) {
    if (state !== 'open') continue;
    if (line.commits.has(head)) {
      found.push(ref);
      continue;
    }
    // A history that was rewritten, or commits that are not here any more: then it is simply no merge.
    if (base === commit || !mirror.has(head) || !mirror.has(base) || !line.commits.has(base)) continue;
    const came = arrived.get(base) ?? contentByPath(await mirror.diffTrees(base, commit));
    arrived.set(base, came);
    const from = lines.get(base) ?? (await mirror.line(base));
    lines.set(base, from);
    const { changes, conflicts } = await mergeInto(mirror, from, base, head, null);
    const wanted = [...contentByPath(changes)];
    if (conflicts.length === 0 && wanted.length > 0 && wanted.every(([path, content]) => came.get(path) === content)) found.push(ref);
  }
  return found;
}

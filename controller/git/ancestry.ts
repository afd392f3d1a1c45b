/** Questions to the commit graph. Pure but for `parentsOf`, which the mirror answers (and remembers). */

export type ParentsOf = (oid: string) => Promise<readonly string[]>;

/**
 * The nearest tagged proper ancestors of `commit` (R7): the graph is searched breadth first, generation by generation,
 * and all tags of the first generation that has any are given. Order, which decides ties: commits as met when the
 * parents of each commit are followed in their order (so the line merged into comes before what was merged), the tags
 * of one commit by code units. The first of the list is the parent; an empty list means a root.
 */
export async function nearestTaggedAncestors(parentsOf: ParentsOf, commit: string, taggedCommits: ReadonlyMap<string, readonly string[]>): Promise<string[]> {
  for await (const generation of ancestors(parentsOf, commit)) {
    const tags = generation.flatMap((oid) => [...(taggedCommits.get(oid) ?? [])].sort());
    if (tags.length > 0) return tags;
  }
  return [];
}

/** Whether `ancestor` is `commit` itself or reachable from it. */
export async function isAncestor(parentsOf: ParentsOf, ancestor: string, commit: string): Promise<boolean> {
  if (ancestor === commit) return true;
  for await (const generation of ancestors(parentsOf, commit)) if (generation.includes(ancestor)) return true;
  return false;
}

/**
 * Commits worth naming to a server that may have forgotten `tip` (after a force-push): ancestors on the first-parent
 * line at distances 0, 1, 2, 4, 8… up to `limit` of them.
 */
export async function sparseAncestors(parentsOf: ParentsOf, tip: string, limit: number): Promise<string[]> {
  const chosen: string[] = [];
  let next = 0;
  let oid: string | undefined = tip;
  for (let distance = 0; oid !== undefined && chosen.length < limit; distance += 1) {
    if (distance === next) {
      chosen.push(oid);
      next = Math.max(next * 2, next + 1);
    }
    oid = (await parentsOf(oid))[0];
  }
  return chosen;
}

/** Proper ancestors, one generation at a time, each commit once; `further` says whose parents are looked at. */
async function* ancestors(parentsOf: ParentsOf, commit: string, further: (oid: string) => boolean = () => true): AsyncGenerator<string[]> {
  const seen = new Set([commit]);
  for (let generation = [commit]; generation.length > 0; ) {
    const next: string[] = [];
    for (const oid of generation.filter(further)) {
      for (const parent of await parentsOf(oid)) {
        if (seen.has(parent)) continue;
        seen.add(parent);
        next.push(parent);
      }
    }
    if (next.length > 0) yield next;
    generation = next;
  }
}

/** `tip` and all its ancestors. `before`: the answer for an older tip, which spares the walk if `tip` builds on it. */
export async function lineOf(parentsOf: ParentsOf, tip: string, before?: Line): Promise<Line> {
  const found: string[] = [tip];
  const seen = new Set(found);
  let builds = before === undefined || before.tip === tip;
  for (let at = 0; at < found.length; at += 1) {
    for (const parent of await parentsOf(found[at]!)) {
      if (parent === before?.tip) builds = true;
      if (seen.has(parent) || before?.commits.has(parent) === true) continue;
      seen.add(parent);
      found.push(parent);
    }
  }
  if (!builds) return await lineOf(parentsOf, tip);
  return { tip, commits: new Set([...(before?.commits ?? []), ...found]) };
}

export interface Line {
  readonly tip: string;
  /** With the tip. */
  readonly commits: ReadonlySet<string>;
}

/**
 * Where `commit` left the line: their common ancestors that are not ancestors of other common ones, in the order met. More
 * than one after criss-cross merges, none for unrelated histories. Walks only what is not on the line.
 */
export async function meetingPoints(parentsOf: ParentsOf, commit: string, line: Line): Promise<string[]> {
  if (line.commits.has(commit)) return [commit];
  const points: string[] = [];
  for await (const generation of ancestors(parentsOf, commit, (oid) => !line.commits.has(oid))) points.push(...generation.filter((oid) => line.commits.has(oid)));
  const best: string[] = [];
  for (const point of points) {
    let older = false;
    for (const other of points) older ||= other !== point && (await isAncestor(parentsOf, point, other));
    if (!older) best.push(point);
  }
  return best;
}

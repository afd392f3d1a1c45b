/** Where each version of a product is drawn: a row for each, lanes for branches of the tree. Pure. */
export interface TreeVersion {
  readonly name: string;
  /** A name of the same list; null for a root (R7). */
  readonly parent: string | null;
}

export interface Placed {
  readonly name: string;
  readonly parent: string | null;
  /** From 0, as the list is ordered. */
  readonly row: number;
  /** From 0, the lowest that is free. */
  readonly lane: number;
}

interface Chain {
  readonly names: string[];
  /** Rows that it crosses, its line to its parent included. */
  from: number;
  to: number;
}

/**
 * `versions` are in the order of rows, the newest first. A version goes on in the lane of its parent if it is the parent's
 * newest child; each other child begins a lane of its own, which is given away again where it ends. Parents that are not in the
 * list count as none, and a circle (which Git cannot make) is cut.
 */
export function placeVersions(versions: readonly TreeVersion[]): readonly Placed[] {
  const row = new Map(versions.map(({ name }, index) => [name, index]));
  const parentOf = new Map(versions.map(({ name, parent }) => [name, parent !== null && parent !== name && row.has(parent) ? parent : null]));
  const heir = new Map<string, string>();
  for (const { name } of versions) {
    const parent = parentOf.get(name) ?? null;
    if (parent !== null && !heir.has(parent)) heir.set(parent, name);
  }
  const lane = new Map<string, number>();
  const taken: { from: number; to: number }[][] = [];
  for (const chain of chains(versions, parentOf, heir, row)) {
    let free = taken.findIndex((spans) => spans.every(({ from, to }) => chain.to < from || chain.from > to));
    if (free < 0) free = taken.push([]) - 1;
    taken[free]?.push(chain);
    for (const name of chain.names) lane.set(name, free);
  }
  return versions.map(({ name }) => ({ name, parent: parentOf.get(name) ?? null, row: row.get(name) ?? 0, lane: lane.get(name) ?? 0 }));
}

/** The longest first, so that the trunk is on the left. */
function chains(versions: readonly TreeVersion[], parentOf: ReadonlyMap<string, string | null>, heir: ReadonlyMap<string, string>, row: ReadonlyMap<string, number>): readonly Chain[] {
  const seen = new Set<string>();
  const all: Chain[] = [];
  // From the oldest on: what begins a chain has no parent, or is not its heir.
  const oldestFirst = versions.map(({ name }) => name).reverse();
  const starts = oldestFirst.filter((name) => heir.get(parentOf.get(name) ?? '') !== name);
  for (const start of [...starts, ...oldestFirst]) {
    const names: string[] = [];
    for (let at: string | undefined = start; at !== undefined && !seen.has(at); at = heir.get(at)) {
      seen.add(at);
      names.push(at);
    }
    if (names.length === 0) continue;
    const rows = [...names, ...[parentOf.get(start) ?? null].filter((name) => name !== null)].map((name) => row.get(name) ?? 0);
    all.push({ names, from: Math.min(...rows), to: Math.max(...rows) });
  }
  return all.sort((a, b) => b.names.length - a.names.length);
}

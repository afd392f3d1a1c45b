/** Orders things after what they depend on, and finds circles. Pure. */

export interface Dependent {
  readonly name: string;
  readonly dependsOn: readonly string[];
}

export interface DependencyOrder<T extends Dependent> {
  /** Each after those it depends on, otherwise in the given order; in a circle one link is broken. */
  readonly ordered: readonly T[];
  /** Circles as names, the first repeated at the end: `[a, b, a]`. At most one for each thing on a circle. */
  readonly cycles: readonly (readonly string[])[];
}

/** Names that nobody has are ignored: they are another problem. Iterative, linear. */
export function dependencyOrder<T extends Dependent>(items: readonly T[]): DependencyOrder<T> {
  const byName = new Map(items.map((item) => [item.name, item]));
  const state = new Map<string, 'open' | 'done'>();
  const ordered: T[] = [];
  const cycles: (readonly string[])[] = [];
  for (const start of items) {
    if (state.has(start.name)) continue;
    const path: { item: T; next: number }[] = [{ item: start, next: 0 }];
    state.set(start.name, 'open');
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const name = top.item.dependsOn[top.next];
      top.next += 1;
      if (name === undefined) {
        state.set(top.item.name, 'done');
        ordered.push(top.item);
        path.pop();
        continue;
      }
      const item = byName.get(name);
      if (item === undefined || state.get(name) === 'done') continue;
      if (state.get(name) === 'open') {
        const from = path.findIndex((step) => step.item.name === name);
        cycles.push([...path.slice(from).map((step) => step.item.name), name]);
        continue;
      }
      state.set(name, 'open');
      path.push({ item, next: 0 });
    }
  }
  return { ordered, cycles };
}

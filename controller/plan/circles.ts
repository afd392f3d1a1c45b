/** Who waits for whom in a circle: components of the graph (Tarjan), found once for each name however many ask. Pure, iterative, linear. */

/** Names that are looked at to tell a way round; a longer one is not told whole. */
const MAX_LOOKED_AT = 100;

/** The answer is the way from the one back to the other, both where they are on one circle; null where no way leads back. `edges`: whom a name waits for. */
export function circlesIn(edges: (name: string) => readonly string[]): (from: string, to: string) => readonly string[] | null {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const component = new Map<string, string>();
  const open: string[] = [];

  const visit = (start: string): void => {
    const path: { readonly name: string; readonly next: Iterator<string> }[] = [];
    const enter = (name: string): void => {
      index.set(name, index.size);
      low.set(name, index.get(name)!);
      open.push(name);
      path.push({ name, next: edges(name)[Symbol.iterator]() });
    };
    const lower = (name: string, value: number): void => void low.set(name, Math.min(low.get(name)!, value));
    enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { name, next } = top;
      const step = next.next();
      if (step.done !== true) {
        if (!index.has(step.value)) enter(step.value);
        else if (!component.has(step.value)) lower(name, index.get(step.value)!);
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above !== undefined) lower(above.name, low.get(name)!);
      if (low.get(name) !== index.get(name)) continue;
      for (let last = open.pop(); last !== undefined; last = open.pop()) {
        component.set(last, name);
        if (last === name) break;
      }
    }
  };

  return (from, to) => {
    for (const name of [from, to]) if (!index.has(name)) visit(name);
    return component.get(from) === component.get(to) ? wayBack(from, to, edges) : null;
  };
}

function wayBack(from: string, to: string, edges: (name: string) => readonly string[]): readonly string[] {
  const cameFrom = new Map<string, string | null>([[from, null]]);
  for (const name of cameFrom.keys()) {
    if (cameFrom.size > MAX_LOOKED_AT) break;
    for (const next of edges(name)) {
      if (next === to) return pathTo(name, cameFrom);
      if (!cameFrom.has(next)) cameFrom.set(next, name);
    }
  }
  return [from, 'many others'];
}

function pathTo(name: string, cameFrom: ReadonlyMap<string, string | null>): readonly string[] {
  const path: string[] = [];
  for (let step: string | null = name; step !== null; step = cameFrom.get(step) ?? null) path.unshift(step);
  return path;
}

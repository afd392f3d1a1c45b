/** What a level is made of: a name and the names that must be good before it. */
export interface Dependent {
  readonly name: string;
  readonly dependsOn: readonly string[];
}

/**
 * The items in levels: those of one level depend only on earlier levels, so they may go at the same time. Order within a
 * level is that of the list. A cycle or an unknown name throws; validation refuses both long before.
 */
export function levelsOf<T extends Dependent>(items: readonly T[]): T[][] {
  const names = new Set(items.map((item) => item.name));
  const unknown = items.flatMap((item) => item.dependsOn.filter((name) => !names.has(name)))[0];
  if (unknown !== undefined) throw new RangeError(`dependsOn names ${unknown}, which is no image of this version`);
  const levels: T[][] = [];
  const done = new Set<string>();
  let left = [...items];
  while (left.length > 0) {
    const level = left.filter((item) => item.dependsOn.every((name) => done.has(name)));
    if (level.length === 0) throw new RangeError(`dependsOn goes in a circle: ${left.map((item) => item.name).join(', ')}`);
    for (const item of level) done.add(item.name);
    levels.push(level);
    left = left.filter((item) => !done.has(item.name));
  }
  return levels;
}

/** Where the plan that was carried out differs from the one that was reviewed. Pure. */

export interface PlanDifference {
  /** Actions as `deployment on node/prefix`: carried out and not reviewed, reviewed and not carried out, both but otherwise. */
  readonly added: readonly string[];
  readonly gone: readonly string[];
  readonly changed: readonly string[];
}

/** `digests` as `actionDigests` makes them. */
export function comparePlans(reviewed: Readonly<Record<string, string>>, executed: Readonly<Record<string, string>>): PlanDifference {
  const before = new Map(Object.entries(reviewed));
  const after = new Map(Object.entries(executed));
  return {
    added: [...after.keys()].filter((key) => !before.has(key)).sort(),
    gone: [...before.keys()].filter((key) => !after.has(key)).sort(),
    changed: [...after.keys()].filter((key) => before.has(key) && before.get(key) !== after.get(key)).sort(),
  };
}

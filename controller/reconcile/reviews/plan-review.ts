/** A request × the recorded live state → the plan that its merge would be. The same pure plan as the controller's own. */
import { actionDigests, plan } from '../../plan/plan.ts';
import type { Action, Observed, Plan, Recorded, RecordedVersion } from '../../plan/types.ts';
import type { RefVersion } from '../../store/versions.ts';
import type { Examined } from './examine.ts';
import { desiredWith } from './examine.ts';

/** What is kept of a plan; its hash is over all of it. */
const MAX_BYTES = 512 * 1024;
/** Tried in turn until it fits: actions, and lines of each. */
const SIZES = [[1_000, 100], [300, 20], [100, 5], [20, 2], [5, 1]] as const;
/** Beyond so many actions it is only told that the plan differs, not where. */
const MAX_DIGESTS = 2_000;

export interface ReviewPlan {
  /** Of the actions within the scope; bounded for keeping. */
  readonly plan: Plan;
  /** Identity by action, to tell later where what ran differs; empty when there are too many. */
  readonly digests: Readonly<Record<string, string>>;
}

/** Pure. `recorded` must hold what `scopeOf` names for the examined scope. */
export function planReview(examined: Examined, recorded: Recorded, observed: Observed): ReviewPlan {
  const made = plan(desiredWith(examined), withVersions(recorded, examined.versions), observed, examined.scope);
  const full: Plan = { ...made, problems: [...examined.problems, ...made.problems] };
  let shown = full;
  for (const [actions, lines] of SIZES) {
    shown = shorten(full, actions, lines);
    if (JSON.stringify(shown).length <= MAX_BYTES) break;
  }
  return { plan: shown, digests: made.actions.length > MAX_DIGESTS ? {} : actionDigests(made.actions) };
}

function shorten(full: Plan, count: number, lines: number): Plan {
  const rest = full.actions.length - count;
  return {
    ...full,
    actions: full.actions.slice(0, count).map((action): Action => {
      const cut = Math.max(action.changes.length - lines, 0);
      return {
        ...action,
        changes: [...action.changes.slice(0, lines), ...(cut > 0 ? [{ image: '…', path: `${cut} more changes`, from: null, to: 'not shown' }] : [])],
        strategies: action.strategies.slice(0, lines),
        statusChanges: action.statusChanges.slice(0, lines),
        waitsFor: action.waitsFor.slice(0, lines),
      };
    }),
    notes: [...(rest > 0 ? [`${rest} more actions are not shown`] : []), ...full.notes.slice(0, count)],
  };
}

/** The database learns of versions with the merge; until then those that it lacks have numbers of their own, below zero. */
function withVersions(recorded: Recorded, refs: readonly RefVersion[]): Recorded {
  const idOf = new Map(recorded.versions.map((version) => [keyOf(version), version.id]));
  const added = refs.filter((ref) => !idOf.has(keyOf(ref)));
  if (added.length === 0) return recorded;
  const versions: RecordedVersion[] = [...recorded.versions];
  for (const [index, { product, kind, name }] of added.entries()) {
    versions.push({ id: -1 - index, product, kind, name });
    idOf.set(keyOf({ product, kind, name }), -1 - index);
  }
  const parents = new Map(recorded.parents);
  for (const ref of added) parents.set(idOf.get(keyOf(ref))!, ref.parent === null ? null : (idOf.get(keyOf({ ...ref, name: ref.parent })) ?? null));
  return { ...recorded, versions, parents };
}

function keyOf({ product, kind, name }: Pick<RecordedVersion, 'product' | 'kind' | 'name'>): string {
  return `${kind} ${product}/${name}`;
}

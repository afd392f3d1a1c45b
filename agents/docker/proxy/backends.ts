/** Which routes the proxy has to know and which container answers each: read from names and labels on the engine. Pure. */
import { isUp } from '../../containers/inventory.ts';
import { LABEL, parseName } from '../../containers/labels.ts';
import { parseRoute, type Choice, type Route } from '../../containers/route.ts';
import type { ContainerSummary } from '../../containers/runtime.ts';

export interface Backend {
  /** `<prefix>.<image>`, unique on the node. */
  readonly key: string;
  readonly prefix: string;
  readonly route: Route;
  /** Up, in the order of preference. */
  readonly candidates: readonly ContainerSummary[];
  /** The one that answers now goes on, if it is among them; else the first that the proxy can reach answers. */
  readonly keepsCurrent: boolean;
}

export interface Wish {
  readonly prefix: string;
  readonly choice: Choice;
}

/**
 * Backends of a team, sorted by key. For the target of `wish` the choice decides. For any other the order is: what was set aside
 * first, because an attempt that is under way leads nobody to its new container before it is good.
 */
export function backendsOf(containers: readonly ContainerSummary[], team: string, wish?: Wish): Backend[] {
  const byKey = new Map<string, ContainerSummary[]>();
  for (const one of containers) {
    const { [LABEL.prefix]: prefix, [LABEL.image]: image } = one.labels;
    if (one.labels[LABEL.team] !== team || one.labels[LABEL.role] !== 'main' || prefix === undefined || image === undefined) continue;
    if (!isUp(one) || parseRoute(one.labels[LABEL.route]) === undefined) continue;
    byKey.set(`${prefix}.${image}`, [...(byKey.get(`${prefix}.${image}`) ?? []), one]);
  }
  return [...byKey].flatMap(([key, group]): Backend[] => {
    const prefix = group[0]?.labels[LABEL.prefix] ?? '';
    const choice = wish?.prefix === prefix ? wish.choice : undefined;
    if (choice === 'none') return [];
    const isOld = (one: ContainerSummary): boolean => parseName(one.name).place !== 'final';
    const finals = group.filter((one) => !isOld(one));
    const olds = group.filter(isOld).sort((a, b) => b.createdAt - a.createdAt);
    // Chosen new: a container that was set aside is no answer, also where the new one has no route any more.
    const candidates = choice === 'new' ? finals : [...olds, ...finals];
    const route = parseRoute(candidates[0]?.labels[LABEL.route]);
    return route === undefined ? [] : [{ key, prefix, route, candidates, keepsCurrent: choice === undefined }];
  }).sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** The narrower route comes first: a whole name before a wildcard before any name, then the longer path. */
export function bySpecificity(a: Route, b: Route): number {
  const rank = ({ domain }: Route): number => (domain === '' ? 2 : domain.startsWith('*.') ? 1 : 0);
  return rank(a) - rank(b) || b.domain.length - a.domain.length || b.path.length - a.path.length || (a.domain < b.domain ? -1 : 1);
}

export function isSameAddress(a: Route, b: Route): boolean {
  return a.domain === b.domain && a.path === b.path;
}

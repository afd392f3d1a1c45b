/** Ports of a node that images publish, and which of them collide. Pure. */
import type { ContainerConfig } from '../../schemas/gen/types.ts';

export interface PortUse<T> {
  readonly from: number;
  readonly to: number;
  readonly protocol: 'tcp' | 'udp';
  /** Undefined: all of the node's. */
  readonly address: string | undefined;
  readonly owner: T;
  /** Of the owner, for who comes second. */
  readonly order: number;
  /** Into the configuration: `/ports/0/external`. */
  readonly pointer: string;
}

/** Spans stay spans: one of 60,000 ports costs no more than one port. */
export function portUses<T>(owner: T, config: ContainerConfig, order: number): PortUse<T>[] {
  return [
    ...(config.ports ?? []).flatMap(({ external, protocol = 'tcp', address }, index) =>
      external === undefined ? [] : [{ from: external, to: external, protocol, address: address?.toLowerCase(), owner, order, pointer: `/ports/${index}/external` }],
    ),
    ...(config.portRanges ?? []).map(({ external, protocol = 'tcp' }, index) => ({ ...external, protocol, address: undefined, owner, order, pointer: `/portRanges/${index}/external` })),
  ];
}

/** Pairs that overlap on a common address, the one that comes second last. Two images may have one port on two addresses. */
export function portConflicts<T>(uses: readonly PortUse<T>[]): readonly (readonly [PortUse<T>, PortUse<T>])[] {
  const sorted = uses.toSorted((a, b) => (a.protocol === b.protocol ? a.from - b.from || a.order - b.order : a.protocol < b.protocol ? -1 : 1));
  const found = new Map<PortUse<T>, Set<PortUse<T>>>();
  for (const address of new Set(uses.map((use) => use.address))) {
    let reach: PortUse<T> | undefined;
    for (const use of sorted) {
      if (!covers(use.address, address)) continue;
      if (reach !== undefined && reach.protocol === use.protocol && use.from <= reach.to) found.set(use, (found.get(use) ?? new Set()).add(reach));
      if (reach === undefined || reach.protocol !== use.protocol || use.to > reach.to) reach = use;
    }
  }
  return [...found].flatMap(([use, others]) => [...others].map((other) => (other.order <= use.order ? ([other, use] as const) : ([use, other] as const))));
}

/** Whether a port on the one address is a port on the other. */
export function meet(a: string | undefined, b: string | undefined): boolean {
  return covers(a, b) || covers(b, a);
}

function covers(wide: string | undefined, address: string | undefined): boolean {
  if (wide === undefined || wide === address) return true;
  if (wide === '0.0.0.0') return address === undefined || !address.includes(':');
  return wide === '::' && (address === undefined || address.includes(':'));
}

/** What of a Docker host one target alone can hold: ports of the node, and addresses that its proxy leads somewhere. Pure. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { publishes } from '../model/port-claims.ts';
import { meet, portUses, type PortUse } from '../model/port-uses.ts';

export interface Holdings {
  readonly ports: readonly PortUse<null>[];
  /** Domain and path as the proxy compares them. */
  readonly addresses: ReadonlySet<string>;
}

export function holdingsOf({ images }: TargetSpec): Holdings {
  const configs = images.map(({ config }) => config).filter(({ replicas }) => replicas !== 0);
  const addresses = configs.flatMap(({ expose = 'none', routing: { domain = '*', path = '/' } = {} }) => (expose === 'none' ? [] : [`${domain.toLowerCase()}${path.replace(/(.)\/+$/, '$1')}`]));
  return { ports: configs.filter(publishes).flatMap((config, order) => portUses(null, config, order)), addresses: new Set(addresses) };
}

export function holdsNothing({ ports, addresses }: Holdings): boolean {
  return ports.length === 0 && addresses.size === 0;
}

/** The first thing that both hold, for people; null where there is none. */
export function sharedHolding(one: Holdings, other: Holdings): string | null {
  for (const use of one.ports) {
    const taken = other.ports.find(({ from, to, protocol, address }) => protocol === use.protocol && from <= use.to && use.from <= to && meet(address, use.address));
    if (taken !== undefined) return `port ${Math.max(use.from, taken.from)}/${use.protocol} of the node`;
  }
  for (const address of one.addresses) if (other.addresses.has(address)) return `the address ${address}`;
  return null;
}

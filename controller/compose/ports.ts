/** `ports` and `expose`, short and long. */
import type { Port, PortRange } from '../../schemas/gen/types.ts';
import { portConflicts, portUses } from '../model/port-uses.ts';
import type { Position } from '../model/problem.ts';
import type { Draft } from './draft.ts';
import { lost } from './draft.ts';
import type { Dict, Item } from './tree.ts';
import { itemOf } from './values.ts';

interface Span {
  readonly from: number;
  readonly to: number;
}

interface Wanted {
  readonly address: string | undefined;
  /** Undefined: the engine chooses one. */
  readonly host: Span | undefined;
  readonly container: Span;
  readonly protocol: string;
}

const KEYS: ReadonlySet<string> = new Set(['target', 'published', 'host_ip', 'protocol', 'mode', 'name', 'app_protocol']);
const MOST = 1000;

export function takePorts(draft: Draft, item: Item): void {
  const { values } = draft.whole;
  const parts = item.kind === 'list' ? item.items : item.kind === 'scalar' && item.value !== null ? [item] : [];
  for (const part of parts) {
    const wanted = part.kind === 'dict' ? longPort(draft, part) : shortPort(draft, part.at, values.word(part));
    if (wanted !== undefined) add(draft, part.at, wanted);
  }
}

/** Ports that others of the project may use: nothing is opened, and a manifest may say so. */
export function takeExpose(draft: Draft, item: Item): void {
  for (const { value, at } of draft.whole.values.words(item)) {
    const wanted = shortPort(draft, at, value);
    if (wanted === undefined) continue;
    const known = new Set((draft.config.ports ?? []).map((port) => `${port.internal}/${port.protocol ?? 'tcp'}`));
    for (const internal of numbers(wanted.container)) {
      if (!known.has(`${internal}/${wanted.protocol}`)) push(draft, { internal, ...protocolOf(wanted.protocol) });
    }
  }
}

function shortPort(draft: Draft, at: Position, text: string | undefined): Wanted | undefined {
  if (text === undefined) return undefined;
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^\s:]*)):)?(?:([\d-]*):)?(\d+(?:-\d+)?)(?:\/(\w+))?$/.exec(text.trim());
  if (match?.[4] === undefined) {
    draft.whole.findings.add('ComposeInvalid', at, `this is no port: ${text.slice(0, 100)}`);
    return undefined;
  }
  const [, six, four, middle, container, protocol = 'tcp'] = match;
  // With one colon what stands before it is the port of the node, not an address.
  const hostText = middle ?? (six === undefined ? (four ?? '') : '');
  const address = six ?? (middle === undefined ? undefined : four === '' ? undefined : four);
  return checked(draft, at, { address, host: hostText === '' ? undefined : span(hostText), container: span(container), protocol: protocol.toLowerCase() }, hostText);
}

function longPort(draft: Draft, dict: Dict): Wanted | undefined {
  const { values, findings } = draft.whole;
  values.account(dict, KEYS);
  const text = (key: string): string | undefined => {
    const found = itemOf(dict, key);
    return found === undefined ? undefined : (values.text(found) ?? undefined);
  };
  const target = text('target');
  if (target === undefined) {
    findings.add('ComposeInvalid', dict.at, 'a port needs a target');
    return undefined;
  }
  const published = text('published') ?? '';
  return checked(draft, dict.at, { address: text('host_ip'), host: published === '' ? undefined : span(published), container: span(target), protocol: (text('protocol') ?? 'tcp').toLowerCase() }, published);
}

function span(text: string): Span | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text.trim());
  if (match?.[1] === undefined) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from >= 1 && to <= 65_535 && from <= to ? { from, to } : undefined;
}

function checked(draft: Draft, at: Position, wanted: Omit<Wanted, 'container'> & { readonly container: Span | undefined }, hostText: string): Wanted | undefined {
  const { container, host, protocol } = wanted;
  if (container === undefined || (host === undefined && hostText !== '' && hostText !== '0')) {
    draft.whole.findings.add('ComposeInvalid', at, 'this is no port from 1 to 65535');
    return undefined;
  }
  if (protocol !== 'tcp' && protocol !== 'udp') {
    lost(draft, at, `ports: the protocol ${protocol.slice(0, 20)} is not carried over; tcp and udp are`);
    return undefined;
  }
  return { ...wanted, container };
}

function add(draft: Draft, at: Position, { address: written, host, container, protocol }: Wanted): void {
  const { findings } = draft.whole;
  const address = written === undefined || written === '' || written === '0.0.0.0' || written === '::' ? undefined : written === 'localhost' ? '127.0.0.1' : written;
  const shared = { ...protocolOf(protocol), ...(address !== undefined && { address }) };
  if (host === undefined) {
    findings.add('Differs', at, `port ${container.from} would get a random port of the node; it is not published`, 'Give it a port of the node: "8080:80".');
    for (const internal of numbers(container)) push(draft, { internal, ...protocolOf(protocol) });
    return;
  }
  const size = container.to - container.from;
  if (size === 0 && host.to > host.from) {
    findings.add('Differs', at, `one port for a whole range of the node: ${host.from} is taken`);
    push(draft, { internal: container.from, external: host.from, ...shared });
  } else if (host.to - host.from !== size) findings.add('ComposeInvalid', at, 'the two port ranges are not equally long');
  else if (size === 0) push(draft, { internal: container.from, external: host.from, ...shared });
  else if (address === undefined) {
    const range: PortRange = { internal: { ...container }, external: { ...host }, ...protocolOf(protocol) };
    draft.config.portRanges = [...(draft.config.portRanges ?? []), range];
  } else for (const internal of numbers(container)) push(draft, { internal, external: host.from + internal - container.from, ...shared });
}

function push(draft: Draft, port: Port): void {
  const ports = draft.config.ports ?? [];
  const same = ports.some((one) => JSON.stringify(one) === JSON.stringify(port));
  if (!same && ports.length < MOST) draft.config.ports = [...ports, port];
}

/** Compose itself fails to start what wants a port that another has; the later one goes without. */
export function settlePorts(drafts: readonly Draft[]): void {
  const uses = drafts.flatMap((draft, order) => (draft.config.networkMode === undefined ? portUses(draft, draft.config, order) : []));
  const gone = new Map<Draft, Set<string>>();
  for (const [first, { owner, pointer, from }] of portConflicts(uses)) {
    owner.whole.findings.add('ComposeInvalid', owner.dict.entries.get('ports')?.key ?? owner.at, `port ${Math.max(from, first.from)} of the node is published by ${first.owner.service} already`);
    gone.set(owner, (gone.get(owner) ?? new Set()).add(pointer));
  }
  for (const [{ config }, pointers] of gone) {
    const ports = config.ports?.map(({ external, address, ...port }, index) => (external === undefined || pointers.has(`/ports/${index}/external`) ? port : { ...port, external, ...(address !== undefined && { address }) }));
    const ranges = config.portRanges?.filter((_, index) => !pointers.has(`/portRanges/${index}/external`));
    if (ports !== undefined) config.ports = ports;
    if (ranges !== undefined) config.portRanges = ranges;
    if (ranges?.length === 0) delete config.portRanges;
  }
}

function numbers({ from, to }: Span): number[] {
  return Array.from({ length: Math.min(to - from + 1, MOST) }, (_, index) => from + index);
}

function protocolOf(protocol: string): { protocol?: 'udp' } {
  return protocol === 'udp' ? { protocol } : {};
}

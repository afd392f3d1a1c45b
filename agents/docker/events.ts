/** The engine's events, of which only changes of this team's containers matter. */
import type Docker from 'dockerode';
import type { Readable } from 'node:stream';
import { LABEL } from '../containers/labels.ts';
import type { RuntimeEvent } from '../containers/runtime.ts';

/** Not `exec_*`: the agent's own health probes would wake it for ever. */
const CHANGES = ['create', 'start', 'die', 'destroy', 'rename', 'update', 'pause', 'unpause', 'oom', 'connect', 'disconnect'];

interface EngineEvent {
  readonly Type?: string;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
}

/** Longer than any event; beyond it the stream is not what it says. */
const LONGEST_EVENT = 1_000_000;

export async function readEvents(
  docker: Docker,
  team: string,
  ownerOf: (containerId: string) => { readonly team: string; readonly prefix: string } | undefined,
  onReady: () => void,
  onEvent: (event: RuntimeEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const stream = (await docker.getEvents({ filters: { type: ['container', 'network'], event: CHANGES }, abortSignal: signal })) as Readable;
  const stop = (): unknown => stream.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    onReady();
    let rest = '';
    for await (const chunk of stream) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LONGEST_EVENT) throw new Error('an event of the engine has no end');
      for (const line of lines) {
        const owner = ownerOfEvent(line, ownerOf);
        if (owner?.team === team) onEvent({ prefix: owner.prefix === '' ? undefined : owner.prefix });
      }
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stream.destroy();
  }
  if (!signal.aborted) throw new Error('the engine ended the stream of events');
}

function ownerOfEvent(line: string, ownerOf: (id: string) => { readonly team: string; readonly prefix: string } | undefined): { team: string; prefix: string } | undefined {
  if (line.trim() === '') return undefined;
  const event = JSON.parse(line) as EngineEvent;
  const attributes = event.Actor?.Attributes ?? {};
  if (event.Type === 'network') return ownerOf(attributes['container'] ?? '');
  const team = attributes[LABEL.team];
  return team === undefined ? undefined : { team, prefix: attributes[LABEL.prefix] ?? '' };
}

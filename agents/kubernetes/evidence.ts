/** What a person needs to understand a failure (R19), taken before the pod is gone. */
import type { FailureEvidence } from '../core/engine.ts';
import type { KubeApi } from './api.ts';
import { probeEvents } from './judge.ts';
import { POD, pathOf } from './kinds.ts';
import type { LiveEvent, Pod } from './live.ts';

const LINES = 50;
const LINE_LENGTH = 2000;
const LIMIT_BYTES = 256 * 1024;

/** Never throws: a log that cannot be read is no reason to lose the failure itself. */
export async function evidenceOf(api: KubeApi, pod: Pod, container: string, events: readonly LiveEvent[]): Promise<FailureEvidence> {
  const status = [...(pod.status.containerStatuses ?? []), ...(pod.status.initContainerStatuses ?? [])].find((one) => one.name === container);
  // One that waits to be started again has its words in the run before.
  const previous = (status?.restartCount ?? 0) > 0 && status?.state?.running === undefined && status?.state?.terminated === undefined;
  const started = status?.state?.running !== undefined || status?.state?.terminated !== undefined || status?.lastState?.terminated !== undefined;
  const logLines = started ? await linesOf(api, pod, container, previous) : [];
  const own = events.filter((event) => event.involvedObject.uid === pod.metadata.uid && event.type === 'Warning');
  const said = [...new Set([...own, ...probeEvents(events, pod)].map((event) => event.message ?? ''))];
  return { container: `${pod.metadata.name} (${container})`, logLines, healthOutput: said.slice(-LINES).map(clip) };
}

async function linesOf(api: KubeApi, pod: Pod, container: string, previous: boolean): Promise<string[]> {
  try {
    const path = `${pathOf(POD, pod.metadata.namespace, pod.metadata.name)}/log`;
    const body = await api.stream({ method: 'GET', path, accept: '*/*', query: { container, tailLines: LINES, limitBytes: LIMIT_BYTES, previous } }, AbortSignal.timeout(10_000));
    const parts: Buffer[] = [];
    for await (const part of body) parts.push(part as Buffer);
    return Buffer.concat(parts).toString('utf8').split('\n').filter((line) => line !== '').slice(-LINES).map(clip);
  } catch (error) {
    return [clip(`(the log could not be read: ${error instanceof Error ? error.message : String(error)})`)];
  }
}

function clip(text: string): string {
  return text.length <= LINE_LENGTH ? text : `${text.slice(0, LINE_LENGTH - 1)}…`;
}

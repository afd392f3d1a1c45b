/** Log lines of a pod. A cluster keeps both outputs as one; they are told as stdout. */
import { createInterface } from 'node:readline';
import type { LogLine, LogRequest } from '../core/engine.ts';
import { AgentError } from '../core/errors.ts';
import type { KubeApi } from './api.ts';
import { isReady } from './judge.ts';
import { POD, pathOf } from './kinds.ts';
import { trimPod, type Pod } from './live.ts';
import { LABEL, labelValue } from './objects/labels.ts';

const LONGEST_LINE = 16_384;

/** @param team whose pods these may be (R1); @param request.container a pod's name, or an image's or workload's: then its newest ready pod. */
export async function* podLogs(api: KubeApi, team: string | undefined, request: LogRequest, signal: AbortSignal): AsyncIterable<LogLine> {
  const pod = await findPod(api, team, request, signal);
  const path = `${pathOf(POD, request.prefix, pod.metadata.name)}/log`;
  const query = { container: pod.mainContainer, tailLines: request.tail, follow: request.follow, timestamps: true };
  const body = await api.stream({ method: 'GET', path, accept: '*/*', query }, signal);
  try {
    for await (const line of createInterface({ input: body, crlfDelay: Infinity })) {
      const space = line.indexOf(' ');
      const at = new Date(space < 0 ? line : line.slice(0, space));
      yield { at: Number.isNaN(at.getTime()) ? new Date() : at, stream: 'stdout', text: (space < 0 ? '' : line.slice(space + 1)).slice(0, LONGEST_LINE) };
      if (signal.aborted) return;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    body.destroy();
  }
}

async function findPod(api: KubeApi, team: string | undefined, { prefix, container }: LogRequest, signal: AbortSignal): Promise<Pod> {
  const labelSelector = [`${LABEL.prefix}=${prefix}`, ...(team === undefined ? [] : [`${LABEL.team}=${labelValue(team)}`])].join(',');
  const { items = [] } = await api.call<{ items?: unknown[] }>({ method: 'GET', path: pathOf(POD, prefix), query: { labelSelector } }, signal);
  const pods = items.map(trimPod);
  const named = pods.find((pod) => pod.metadata.name === container);
  if (named !== undefined) return named;
  const names = new Set([container, container.startsWith(`${prefix}-`) ? container.slice(prefix.length + 1) : container]);
  const found = pods.filter((pod) => names.has(pod.metadata.labels?.[LABEL.image] ?? '') || names.has(pod.metadata.labels?.[LABEL.container] ?? ''));
  const best = found.sort((a, b) => Number(isReady(b)) - Number(isReady(a)) || ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? 1 : -1))[0];
  if (best === undefined) throw new AgentError('Internal', `there is no pod of ${container} in the namespace ${prefix}`);
  return best;
}

/** Health checks as a cluster asks them: whole seconds, at least one. Pure. */
import type { V1Probe } from '@kubernetes/client-node';
import type { HealthCheck, Probe } from '../../../schemas/gen/types.ts';
import { milliseconds } from '../../core/duration.ts';
import { literal } from './environment.ts';

export function seconds(text: string | undefined, fallback: string, least = 1): number {
  return Math.max(least, Math.ceil(milliseconds(text, fallback) / 1000));
}

export interface Probes {
  readonly startupProbe?: V1Probe;
  readonly livenessProbe?: V1Probe;
  readonly readinessProbe?: V1Probe;
}

/**
 * The check that every node knows is the readiness probe; `ready` is said for clusters alone and comes before it. A readiness probe
 * asks from the beginning (failures before the container is up harm nobody), the others after their start period.
 */
export function probesOf(health: HealthCheck | undefined): Probes {
  const ready = readinessOf(health);
  const startup = probe(health?.start, true);
  const live = probe(health?.live, true);
  const readiness = probe(ready, false);
  return { ...(startup && { startupProbe: startup }), ...(live && { livenessProbe: live }), ...(readiness && { readinessProbe: readiness }) };
}

export function readinessOf(health: HealthCheck | undefined): Probe | undefined {
  if (asks(health?.ready)) return health?.ready;
  return asks(health) ? health : undefined;
}

function asks(one: Probe | undefined): boolean {
  return one?.command !== undefined || one?.http !== undefined || one?.tcp !== undefined;
}

function probe(one: Probe | undefined, delayed: boolean): V1Probe | undefined {
  // The scheme is said, though it is the default: what nobody has said stays in older clusters when another way to ask takes its place, and two ways are refused.
  const how = one?.command !== undefined ? { exec: { command: one.command.map(literal) } } : one?.http !== undefined ? { httpGet: { path: one.http.path ?? '/', port: one.http.port, scheme: 'HTTP' } } : one?.tcp !== undefined ? { tcpSocket: { port: one.tcp.port } } : undefined;
  if (one === undefined || how === undefined) return undefined;
  const delay = delayed ? seconds(one.startPeriod, '0s', 0) : 0;
  return { ...how, periodSeconds: seconds(one.interval, '5s'), timeoutSeconds: seconds(one.timeout, '5s'), failureThreshold: one.retries ?? 3, ...(delay > 0 && { initialDelaySeconds: delay }) };
}

/** A health check as numbers, and one go of it. */
import type { HealthCheck } from '../../schemas/gen/types.ts';
import { milliseconds } from '../core/duration.ts';
import type { ContainerDetails, ContainerRuntime, NetworkProbe, ProbeResult } from './runtime.ts';

export interface Check {
  readonly probe: NetworkProbe | { readonly kind: 'command'; readonly command: readonly string[] };
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly startPeriodMs: number;
}

/** Undefined where the health check has no probe: then settling is all there is. */
export function checkOf(health: HealthCheck | undefined): Check | undefined {
  const probe = probeOf(health);
  if (health === undefined || probe === undefined) return undefined;
  return {
    probe,
    intervalMs: Math.max(20, milliseconds(health.interval, '5s')),
    timeoutMs: Math.max(20, milliseconds(health.timeout, '5s')),
    retries: health.retries ?? 3,
    startPeriodMs: milliseconds(health.startPeriod, '0s'),
  };
}

function probeOf(health: HealthCheck | undefined): Check['probe'] | undefined {
  if (health?.command !== undefined) return { kind: 'command', command: health.command };
  if (health?.http !== undefined) return { kind: 'http', path: health.http.path ?? '/', port: health.http.port };
  if (health?.tcp !== undefined) return { kind: 'tcp', port: health.tcp.port };
  return undefined;
}

/** Never throws: what goes wrong is a failed probe with a line that says so. */
export async function probeOnce(runtime: ContainerRuntime, container: ContainerDetails, check: Check, signal: AbortSignal): Promise<ProbeResult> {
  try {
    const { probe } = check;
    if (probe.kind === 'command') return await runtime.exec(container.id, probe.command, check.timeoutMs, signal);
    return await runtime.probe(container, probe, check.timeoutMs, signal);
  } catch (error) {
    return { ok: false, output: `the probe failed: ${error instanceof Error ? error.message : String(error)}` };
  }
}

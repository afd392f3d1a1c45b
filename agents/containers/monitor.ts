/**
 * Health after the success: probes at a gentle rate, eight at a time, so that a page shows a container that has gone bad.
 * Probing runs only while somebody watches; whoever observes without that gets a fresh probe.
 */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { look } from './calls.ts';
import { containerNameOf, deployedImages } from './container-spec.ts';
import { pause, pooled } from '../core/pool.ts';
import { checkOf, probeOnce, type Check } from './probe.ts';
import type { ContainerDetails, ContainerRuntime } from './runtime.ts';

export interface MonitorTimes {
  /** Where all is as it was, never more often than this, however short the check's own interval is. */
  readonly gentleMs: number;
  readonly tickMs: number;
}

const MONITOR_TIMES: MonitorTimes = { gentleMs: 5000, tickMs: 500 };

interface Watched {
  readonly prefix: string;
  readonly name: string;
  readonly check: Check;
  /** The engine's id of the container that the results are of. */
  id: string;
  lastAt: number;
  failures: number;
  output: string;
}

export interface ProbedHealth {
  readonly health: 'healthy' | 'unhealthy' | 'starting';
  readonly output: string;
}

export class HealthMonitor {
  readonly #runtime: ContainerRuntime;
  readonly #times: MonitorTimes;
  readonly #watched = new Map<string, Watched>();

  constructor(runtime: ContainerRuntime, times: MonitorTimes = MONITOR_TIMES) {
    this.#runtime = runtime;
    this.#times = times;
  }

  /** Takes over what has to be probed: the checks of these specs and of no others. */
  adopt(specs: readonly TargetSpec[]): void {
    const wanted = new Map(
      specs.flatMap((spec) =>
        deployedImages(spec).flatMap((image) => {
          const check = checkOf(image.config.healthCheck);
          const running = (image.config.expectedState?.state ?? 'running') === 'running';
          return check === undefined || !running ? [] : [[containerNameOf(spec, image), { prefix: spec.prefix, check }] as const];
        }),
      ),
    );
    for (const name of this.#watched.keys()) if (!wanted.has(name)) this.#watched.delete(name);
    for (const [name, { prefix, check }] of wanted) {
      const known = this.#watched.get(name);
      if (known !== undefined && JSON.stringify(known.check) === JSON.stringify(check)) continue;
      this.#watched.set(name, { prefix, name, check, id: '', lastAt: 0, failures: 0, output: '' });
    }
  }

  /** Undefined where the container has no check. Probes at once if the last result is of another container or too old. */
  async healthOf(name: string, container: ContainerDetails): Promise<ProbedHealth | undefined> {
    const watched = this.#watched.get(name);
    if (watched === undefined) return undefined;
    const stale = Date.now() - watched.lastAt > 3 * this.#gentle(watched.check);
    if (watched.id !== container.id || stale) await this.#probe(watched, container, stale);
    return judge(watched, container);
  }

  /** Probes what is due until the signal aborts; tells which target's health has changed. */
  async run(onChange: (prefix: string) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const due = [...this.#watched.values()].filter((one) => one.id !== '' && Date.now() - one.lastAt >= this.#pace(one));
      await pooled(due, async (one) => {
        try {
          const details = await this.#runtime.inspect(one.id, look());
          if (details?.state !== 'running') {
            one.lastAt = Date.now();
            return;
          }
          const before = judge(one, details).health;
          await this.#probe(one, details, false);
          if (judge(one, details).health !== before) onChange(one.prefix);
        } catch {
          // The engine is away; its return is the watcher's business.
          one.lastAt = Date.now();
        }
      });
      await pause(this.#times.tickMs, signal);
    }
  }

  /** What has only just failed is asked again as its check says: it has started a moment ago, or it is going bad. */
  #pace({ check, failures }: Watched): number {
    return failures > 0 && failures < check.retries ? Math.max(this.#times.tickMs, check.intervalMs) : this.#gentle(check);
  }

  #gentle(check: Check): number {
    return Math.max(this.#times.gentleMs, check.intervalMs);
  }

  async #probe(watched: Watched, container: ContainerDetails, alone: boolean): Promise<void> {
    const result = await probeOnce(this.#runtime, container, watched.check, look());
    if (watched.id !== container.id) watched.failures = 0;
    watched.id = container.id;
    watched.lastAt = Date.now();
    watched.output = result.output;
    // Asked once in a long while, one failure is all there is to go by.
    watched.failures = result.ok ? 0 : alone ? watched.check.retries : watched.failures + 1;
  }
}

function judge(watched: Watched, container: ContainerDetails): ProbedHealth {
  if (watched.failures === 0) return { health: 'healthy', output: watched.output };
  const young = Date.now() - container.startedAt < watched.check.startPeriodMs;
  return { health: !young && watched.failures >= watched.check.retries ? 'unhealthy' : 'starting', output: watched.output };
}

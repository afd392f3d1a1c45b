/**
 * How a simulated node fails, so that a demo and a test can show what a real one does.
 *
 * By name, for everybody: a tag that contains `missing` is unknown to the registry, `denied` is refused, `crash` ends with exit
 * code 3 after the start, `unhealthy` fails every health check. By environment, as the test images do: `CRASH=1`, `HEALTHY=0`.
 * By `Fault`, for tests.
 */
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import { parseReference } from '../core/reference.ts';
import { RuntimeError } from '../containers/runtime.ts';
import type { FailureCode } from '../core/engine.ts';

export interface Fault {
  readonly at: 'resolve' | 'pull' | 'create' | 'start' | 'crash' | 'health';
  /** Part of the image reference. */
  readonly image: string;
  readonly code?: FailureCode;
}

export class Faults {
  readonly #faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  /** Throws what the engine would answer for the reference at this step. */
  check(at: 'resolve' | 'pull' | 'create' | 'start', reference: string): void {
    const tag = parseReference(reference).tag ?? '';
    if (at === 'resolve' && tag.includes('missing')) throw new RuntimeError('ImageUnknown', `${reference}: manifest unknown (simulated: the tag contains "missing"); nothing was touched`);
    if (at === 'resolve' && tag.includes('denied')) throw new RuntimeError('RegistryUnauthorized', `${reference}: denied (simulated: the tag contains "denied"); nothing was touched`);
    const fault = this.#of(at, reference);
    if (fault !== undefined) throw new RuntimeError(fault.code ?? DEFAULT_CODE[at], `${reference}: simulated fault at ${at}`);
  }

  crashes(reference: string, config: ContainerConfig): boolean {
    return (config.environment?.['CRASH'] ?? '') !== '' || (parseReference(reference).tag ?? '').includes('crash') || this.#of('crash', reference) !== undefined;
  }

  isHealthy(reference: string, config: ContainerConfig): boolean {
    return config.environment?.['HEALTHY'] !== '0' && !(parseReference(reference).tag ?? '').includes('unhealthy') && this.#of('health', reference) === undefined;
  }

  #of(at: Fault['at'], reference: string): Fault | undefined {
    return this.#faults.find((fault) => fault.at === at && reference.includes(fault.image));
  }
}

const DEFAULT_CODE = { resolve: 'RegistryUnreachable', pull: 'ImagePullFailed', create: 'ContainerCreateFailed', start: 'ContainerStartFailed' } as const;

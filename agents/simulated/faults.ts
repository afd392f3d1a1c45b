/**
 * How a simulated node fails, so that a demo and a test can show what a real one does.
 *
 * By name, for everybody: a reference whose host ends in `.invalid` or whose tag says `missing`, `does-not-exist`, `nonexistent`, `no-such` or `nope` is
 * unknown to the registry, `denied` is refused, `crash` ends with exit code 3 after the start, `unhealthy` fails every health check. By environment, as the
 * test images do: `CRASH=1`, `HEALTHY=0`. By command, where it plainly says so: `false`, or a script that ends with `exit 1`. By `Fault`, for tests.
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

const UNKNOWN_TAG = /missing|not-exist|nonexist|no-such|nope/i;
const UNKNOWN_HOST = /^[^/]*\.invalid(:\d+)?\//;

/** What a command ends with, where that can be told without running it. */
export function exitCodeOf(words: readonly string[]): number | undefined {
  if (/^(?:\/(?:usr\/)?bin\/)?false$/.test(words[0] ?? '')) return 1;
  const script = words[1] === '-c' ? (words[2] ?? '') : '';
  const [, code] = /(?:^|[;\n])\s*exit\s+(\d{1,3})\s*;?\s*$/.exec(script) ?? [];
  return code === undefined ? undefined : Number(code);
}

export class Faults {
  readonly #faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  /** Throws what the engine would answer for the reference at this step. */
  check(at: 'resolve' | 'pull' | 'create' | 'start', reference: string): void {
    const tag = parseReference(reference).tag ?? '';
    if (at === 'resolve' && (UNKNOWN_TAG.test(tag) || UNKNOWN_HOST.test(reference))) throw new RuntimeError('ImageUnknown', `${reference}: manifest unknown (simulated, because of its name); nothing was touched`);
    if (at === 'resolve' && tag.includes('denied')) throw new RuntimeError('RegistryUnauthorized', `${reference}: denied (simulated: the tag contains "denied"); nothing was touched`);
    const fault = this.#of(at, reference);
    if (fault !== undefined) throw new RuntimeError(fault.code ?? DEFAULT_CODE[at], `${reference}: simulated fault at ${at}`);
  }

  /** The exit code that the container ends with by itself although it should run; undefined where it goes on. */
  crashes(reference: string, config: ContainerConfig): number | undefined {
    const said = exitCodeOf([...(config.command ?? []), ...(config.args ?? [])].map(String));
    return said ?? (this.#crashesByName(reference, config) ? 3 : undefined);
  }

  #crashesByName(reference: string, config: ContainerConfig): boolean {
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

/** Speaks with the proxy's master process from inside its container: nothing else reaches its port. */
import type Docker from 'dockerode';
import type { Readable } from 'node:stream';
import { RuntimeError } from '../../containers/runtime.ts';
import { outputOf } from '../demultiplex.ts';
import { engineError } from '../docker-errors.ts';
import { CLI_PORT, CONFIG_PATH, type Slot } from './haproxy-config.ts';

const CALL_MS = 10_000;
const MOST_OUTPUT = 4 * 1024 * 1024;
/** The image brings bash and not much more; its sockets spare us another program. */
const ASK = `exec 3<>/dev/tcp/127.0.0.1/${CLI_PORT} || exit 3; printf '%s\\nquit\\n' "$1" >&3; while IFS= read -r line <&3; do printf '%s\\n' "$line"; done`;
const HEAD = `IFS= read -r line < ${CONFIG_PATH}; printf '%s\\n' "$line"`;

export interface ServerState {
  readonly backend: string;
  readonly slot: Slot;
  readonly host: string;
  readonly port: number;
  /** Gets new requests. */
  readonly ready: boolean;
}

export class HaproxyCli {
  readonly #docker: Docker;
  readonly #id: string;

  constructor(docker: Docker, id: string) {
    this.#docker = docker;
    this.#id = id;
  }

  /** The first line of the configuration file, which names its structure. */
  async configHead(signal: AbortSignal): Promise<string> {
    return (await this.#exec(['bash', '-c', HEAD], signal)).output;
  }

  /** Undefined while the proxy is starting or reloading. */
  async servers(signal: AbortSignal): Promise<readonly ServerState[] | undefined> {
    const answer = await this.#ask('@1 show servers state', signal);
    return answer?.includes('# be_id') === true ? parseServers(answer) : undefined;
  }

  /** Requests under way at a server. */
  async sessions(backend: string, slot: Slot, signal: AbortSignal): Promise<number> {
    const rows = (await this.#ask(`@1 show stat ${backend} 4 -1`, signal)) ?? '';
    const row = rows.split('\n').map((line) => line.split(',')).find(([proxy, server]) => proxy === backend && server === slot);
    return Number(row?.[4] ?? 0);
  }

  /** Processes of earlier configurations that still have connections; a proxy that does not say may have some. */
  async oldWorkers(signal: AbortSignal): Promise<number> {
    const answer = (await this.#ask('show proc', signal)) ?? '';
    if (!answer.includes('# programs')) return 1;
    const [, old = ''] = answer.split('# old workers');
    return old.split('# programs')[0]?.match(/^\d+\s+worker/gm)?.length ?? 0;
  }

  /** Throws when the proxy refuses one of them; its refusals are lines, its consent is none. */
  async command(commands: readonly string[], signal: AbortSignal): Promise<void> {
    const answer = await this.#ask(commands.map((one) => `@1 ${one}`).join('; '), signal);
    if (answer === undefined) throw new RuntimeError('EngineError', 'the proxy does not answer');
    const refusal = answer.split('\n').find((line) => line.trim() !== '' && !/^(IP changed|port changed|no need to change|nothing changed)/i.test(line.trim()));
    if (refusal !== undefined) throw new RuntimeError('EngineError', `the proxy refused a command: ${refusal.trim()}`);
  }

  async reload(signal: AbortSignal): Promise<void> {
    await this.#ask('reload', signal);
  }

  /** Reads a configuration file as the proxy would; throws with its words. */
  async check(path: string, signal: AbortSignal): Promise<void> {
    const { code, output } = await this.#exec(['haproxy', '-c', '-f', path], signal);
    if (code !== 0) throw new RuntimeError('EngineError', `the proxy does not take its configuration: ${firstAlert(output)}`);
  }

  async #ask(line: string, signal: AbortSignal): Promise<string | undefined> {
    const { code, output } = await this.#exec(['bash', '-c', ASK, 'ask', line], signal);
    return code === 3 ? undefined : output;
  }

  async #exec(command: readonly string[], signal: AbortSignal): Promise<{ readonly code: number; readonly output: string }> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]);
    try {
      const exec = await this.#docker.getContainer(this.#id).exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true, abortSignal: limit });
      const stream = (await exec.start({ abortSignal: limit })) as unknown as Readable;
      limit.addEventListener('abort', () => stream.destroy(), { once: true });
      const output = await outputOf(stream, false, MOST_OUTPUT);
      const { ExitCode: code } = await exec.inspect({ abortSignal: limit });
      return { code: code ?? 1, output };
    } catch (error) {
      throw engineError(error, 'speaking with the proxy');
    }
  }
}

function parseServers(text: string): ServerState[] {
  return text.split('\n').flatMap((line): ServerState[] => {
    const fields = line.split(' ');
    const [, backend, , slot, host, , admin] = fields;
    if (!/^\d+$/.test(fields[0] ?? '') || backend === undefined || host === undefined || (slot !== 'a' && slot !== 'b')) return [];
    // Bit 0: maintenance, bit 3: drain, by whomever.
    return [{ backend, slot, host, port: Number(fields[18] ?? 0), ready: (Number(admin) & 0b1001) === 0 }];
  });
}

function firstAlert(output: string): string {
  return (/^\[ALERT\][^:]*: (.*)$/m.exec(output)?.[1] ?? output).slice(0, 500);
}

/** Speaks with the proxy's master process from inside its container: nothing else reaches its port. */
import type Docker from 'dockerode';
import type { Readable } from 'node:stream';
import { RuntimeError } from '../../containers/runtime.ts';
import { outputOf } from '../demultiplex.ts';
import { engineError } from '../docker-errors.ts';
import { candidatePath, CERTIFICATES_PATH, certificatePath, CLI_PORT, PROOFS_PATH, type Slot } from './haproxy-config.ts';

const CALL_MS = 10_000;
/** Commands in one line, which the proxy bounds. */
const AT_ONCE = 40;
const MOST_OUTPUT = 4 * 1024 * 1024;
/** The image brings bash and not much more; its sockets spare us another program. */
const OPEN = `exec 3<>/dev/tcp/127.0.0.1/${CLI_PORT} || exit 3`;
const READ = `while IFS= read -r line <&3; do printf '%s\\n' "$line"; done`;
const ASK = `${OPEN}; printf '%s\\nquit\\n' "$1" >&3; ${READ}`;
/** The key is read where it lies: arguments of processes are for everybody on the node to see. */
const SET_CERTIFICATE = `${OPEN}; printf '@1 set ssl cert %s <<\\n%s\\n\\n' "$1" "$(<"$2")" >&3; printf 'quit\\n' >&3; ${READ}`;
const LIST_CERTIFICATE = `${OPEN}; printf '@1 add ssl crt-list ${CERTIFICATES_PATH} <<\\n%s %s\\n\\n' "$1" "$2" >&3; printf 'quit\\n' >&3; ${READ}`;
const HEAD = `[ -r "$1" ] && IFS= read -r line < "$1"; printf '%s\\n' "$line"`;

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

  /** The first line of a file in the container; '' where there is none. The configuration's names its structure. */
  async head(path: string, signal: AbortSignal): Promise<string> {
    return (await this.#exec(['bash', '-c', HEAD, 'head', path], signal)).output.trim();
  }

  /** Fingerprints by name, of the certificates that the running process serves. */
  async certificates(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const list = (await this.#ask(`@1 show ssl crt-list ${CERTIFICATES_PATH}`, signal)) ?? '';
    const domains = list.split('\n').flatMap((line) => (line.startsWith('/') ? (line.trim().split(' ')[1] ?? []) : []));
    const found = new Map<string, string>();
    for (let at = 0; at < domains.length; at += AT_ONCE) {
      const some = domains.slice(at, at + AT_ONCE);
      const answer = (await this.#ask(some.map((domain) => `@1 show ssl cert ${certificatePath(domain)}`).join('; '), signal)) ?? '';
      const fingerprints = new Map(answer.split('Filename: ').map((part) => [part.split('\n')[0] ?? '', /^SHA1 FingerPrint: ([0-9A-F]{40})$/m.exec(part)?.[1] ?? '']));
      for (const domain of some) found.set(domain, fingerprints.get(certificatePath(domain)) ?? '');
    }
    return found;
  }

  /** Takes a candidate from its file into the running process. What becomes of it, `certificates` tells. */
  async takeCertificate(domain: string, isListed: boolean, signal: AbortSignal): Promise<void> {
    const path = certificatePath(domain);
    // Says so where it is there already, which is no harm.
    await this.#ask(`@1 new ssl cert ${path}`, signal);
    await this.#exec(['bash', '-c', SET_CERTIFICATE, 'set', path, candidatePath(domain)], signal);
    await this.#ask(`@1 commit ssl cert ${path}`, signal);
    if (!isListed) await this.#exec(['bash', '-c', LIST_CERTIFICATE, 'list', path, domain], signal);
  }

  async dropCertificate(domain: string, signal: AbortSignal): Promise<void> {
    const path = certificatePath(domain);
    await this.#ask(`@1 del ssl crt-list ${CERTIFICATES_PATH} ${path}; @1 del ssl cert ${path}`, signal);
  }

  /** Shows an answer to certificate authorities at a path, or no longer. */
  async showProof(path: string, text: string | undefined, signal: AbortSignal): Promise<void> {
    await this.#ask(text === undefined ? `@1 del map ${PROOFS_PATH} ${path}` : `@1 add map ${PROOFS_PATH} ${path} ${text}`, signal);
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

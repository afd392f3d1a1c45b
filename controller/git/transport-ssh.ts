/**
 * `git-upload-pack` over SSH: one connection for one exchange, a deploy key, and a host key that must be known before anything is
 * said. The server keeps a conversation, where HTTP has answers: its advertisement comes first and is taken off what follows.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import ssh2, { type ClientChannel } from 'ssh2';
import { guardedLookup } from './guarded-lookup.ts';
import { fingerprintOf, judgeHostKey, knownKeyTypes, parseKnownHosts, type HostKeyVerdict } from './known-hosts.ts';
import { FramingError } from './pkt-line.ts';
import { excerpt, refusal, RemoteError, tooLargeError } from './remote-error.ts';
import type { Remote } from './remote.ts';
import type { SshAddress } from './ssh-address.ts';
import type { Exchange, Transport } from './transport.ts';

const STDERR_BYTES = 4096;
const FLUSH = Buffer.from('0000');

/** In the order of preference, with the type of key that each needs. SHA-1 signatures (`ssh-rsa`) are not taken. */
const ALGORITHMS = [
  ['ssh-ed25519', 'ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256'],
  ['ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp384'],
  ['ecdsa-sha2-nistp521', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'ssh-rsa'],
  ['rsa-sha2-256', 'ssh-rsa'],
] as const;

export function sshTransport(remote: Remote, address: SshAddress): Transport {
  return async function* exchange(request: Exchange): AsyncGenerator<Uint8Array> {
    const session = new SshSession(remote, address, request);
    try {
      const channel = await session.run(`git-upload-pack ${quoted(address.path)}`);
      // Without a request the advertisement is all that is wanted; a flush says so.
      channel.end(request.body ?? FLUSH);
      const answer = counted(remote, channel as AsyncIterable<Uint8Array>, request.maxBytes);
      yield* request.body === undefined ? answer : afterAdvertisement(answer, request.version);
      await session.finished();
    } catch (error) {
      throw session.explain(error);
    } finally {
      session.close();
    }
  };
}

/** One connection and what went wrong with it. */
class SshSession {
  readonly #remote: Remote;
  readonly #address: SshAddress;
  readonly #request: Exchange;
  readonly #client = new ssh2.Client();
  #socket: Socket | undefined;
  #verdict: { readonly is: HostKeyVerdict; readonly shown: string } | undefined;
  #failure: (Error & { readonly level?: string }) | undefined;
  #said = '';
  /** Undefined while it has not come: the connection was cut. */
  #exit: number | undefined;
  #ended: Promise<void> = Promise.resolve();
  readonly #abort = (): void => this.close();

  constructor(remote: Remote, address: SshAddress, request: Exchange) {
    this.#remote = remote;
    this.#address = address;
    this.#request = request;
  }

  async run(command: string): Promise<ClientChannel> {
    const { signal, version } = this.#request;
    signal.throwIfAborted();
    signal.addEventListener('abort', this.#abort, { once: true });
    await this.#connect();
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      this.#client.once('close', () => reject(this.#lost()));
      // A server that takes no environment speaks the classic protocol then; it does not answer this request.
      this.#client.exec(command, version === 2 ? { env: { GIT_PROTOCOL: 'version=2' } } : {}, (error, opened) => (error === undefined ? resolve(opened) : reject(error)));
    });
    this.#ended = new Promise((resolve) => channel.once('close', () => resolve()));
    channel.once('exit', (code: number | null) => (this.#exit = code ?? 255));
    channel.on('error', () => undefined);
    channel.stderr.on('data', (bytes: Buffer) => {
      if (this.#said.length < STDERR_BYTES) this.#said += bytes.toString('utf8');
    });
    return channel;
  }

  /** Throws unless the command ended well. */
  async finished(): Promise<void> {
    await this.#ended;
    if (this.#exit === undefined) throw this.#lost();
    if (this.#exit !== 0) throw new Error('upload-pack failed');
  }

  close(): void {
    this.#request.signal.removeEventListener('abort', this.#abort);
    this.#client.destroy();
    this.#socket?.destroy();
  }

  /** The cause behind what was noticed: a deadline, a host key, a refusal; else the error itself. */
  explain(error: unknown): unknown {
    const { host } = this.#address;
    const { url, credentials } = this.#remote;
    if (this.#request.signal.aborted) return this.#request.signal.reason;
    if (error instanceof RemoteError) return error;
    if (this.#verdict !== undefined && this.#verdict.is !== 'known') return hostKeyError(url, host, this.#verdict);
    if (this.#failure?.level === 'client-authentication') {
      const user = this.#address.user;
      const hint = 'Add the public half of the configured key to the repository\'s deploy keys.';
      return new RemoteError('RemoteUnauthorized', `${url} refused ${credentials?.type === 'ssh' ? 'the deploy key' : 'access'} of user ${user}`, { hint, cause: error });
    }
    if (this.#failure !== undefined) return new RemoteError('RemoteUnreachable', `${url} cannot be reached (${excerpt(this.#remote, reasonOf(this.#failure))})`, { cause: error });
    // Before it ends, upload-pack says why; its own words are the better error than an answer that was cut.
    if (this.#said !== '' && this.#exit !== 0) return refusal(this.#remote, this.#said);
    if (this.#exit !== undefined && this.#exit !== 0) return refusal(this.#remote, `git-upload-pack ended with ${String(this.#exit)}`);
    if (error instanceof FramingError) return error;
    return new RemoteError('RemoteUnreachable', `${url} broke off its answer`, { cause: error });
  }

  async #connect(): Promise<void> {
    const { credentials, guarded, url } = this.#remote;
    const { host, port, user } = this.#address;
    if (credentials?.type !== 'ssh') throw new RemoteError('RemoteUnauthorized', `${url} needs a deploy key`, { hint: 'Configure credentials of type ssh for this repository.' });
    const known = parseKnownHosts(credentials.knownHosts);
    const types = knownKeyTypes(known, host, port);
    const preferred = ALGORITHMS.toSorted(([, a], [, b]) => Number(types.includes(b)) - Number(types.includes(a))).map(([algorithm]) => algorithm);
    const socket = connectSocket({ host, port, ...(guarded === true && { lookup: guardedLookup }) });
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      this.#client.once('ready', resolve);
      this.#client.on('error', (error) => {
        this.#failure ??= error;
        reject(error);
      });
      this.#client.once('close', () => reject(this.#lost()));
      try {
        this.#client.connect({
          sock: socket,
          username: user,
          privateKey: credentials.privateKey.reveal(),
          ...(credentials.passphrase !== null && { passphrase: credentials.passphrase.reveal() }),
          authHandler: ['publickey'],
          algorithms: { serverHostKey: preferred },
          hostVerifier: (key: Buffer) => {
            this.#verdict = { is: judgeHostKey(known, host, port, key), shown: fingerprintOf(key) };
            return this.#verdict.is === 'known';
          },
          // The exchange has a deadline of its own.
          readyTimeout: 0,
        });
      } catch (error) {
        reject(new RemoteError('RemoteUnauthorized', `the deploy key for ${url} cannot be used`, { cause: error, hint: 'Check the key and its passphrase.' }));
      }
    });
  }

  #lost(): Error {
    return this.#failure ?? new Error('the connection was cut');
  }
}

function hostKeyError(url: string, host: string, { is, shown }: { readonly is: HostKeyVerdict; readonly shown: string }): RemoteError {
  const what = { unknown: `is not known: ${shown} is not in knownHosts`, changed: `has changed: it is now ${shown}, and knownHosts has another`, revoked: `is revoked in knownHosts (${shown})`, known: 'is known' }[is];
  const hint = is === 'changed' ? 'Somebody may be in the middle. Compare with what the host publishes before you change knownHosts.' : 'Compare the fingerprint with what the host publishes, then add its line (ssh-keyscan) to knownHosts.';
  return new RemoteError('RemoteHostKey', `the host key of ${host} (for ${url}) ${what}`, { hint });
}

/** For a POSIX shell, as Git itself quotes. */
function quoted(path: string): string {
  return `'${path.replaceAll(/['!]/g, (character) => `'\\${character}'`)}'`;
}

async function* counted(remote: Remote, chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLargeError(remote, maxBytes);
    yield chunk;
  }
}

/** Takes the packets up to the first flush off, which an HTTP server would not send here. */
async function* afterAdvertisement(chunks: AsyncIterable<Uint8Array>, version: 0 | 2): AsyncGenerator<Uint8Array> {
  let rest: Buffer | undefined = Buffer.alloc(0);
  let first = true;
  for await (const chunk of chunks) {
    if (rest === undefined) {
      yield chunk;
      continue;
    }
    rest = Buffer.concat([rest, chunk]);
    while (rest !== undefined && rest.length >= 4) {
      const length = Number.parseInt(rest.toString('latin1', 0, 4), 16);
      if (!(length === 0 || length >= 4)) throw new FramingError('the advertisement is none');
      if (rest.length < length) break;
      const line = rest.toString('utf8', 4, Math.min(length, 300)).trim();
      if (first && version === 2 && line !== 'version 2' && !line.startsWith('ERR ')) throw new FramingError('the server does not speak protocol v2 any more');
      first = false;
      // What refuses instead of advertising is passed on for the reader to explain.
      const refused = line.startsWith('ERR ');
      if (!refused) rest = rest.subarray(Math.max(length, 4));
      if (length !== 0 && !refused) continue;
      if (rest.length > 0) yield rest;
      rest = undefined;
    }
  }
  if (rest !== undefined) throw new FramingError('the advertisement was cut');
}

function reasonOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

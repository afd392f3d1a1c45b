/** Which transport a remote needs, and the frame that every request to a remote runs in: deadline, count, one record. */
import { FramingError } from './pkt-line.ts';
import { RemoteError, timeoutError } from './remote-error.ts';
import { localPath, sshAddress, type Remote } from './remote.ts';
import { httpTransport } from './transport-http.ts';
import { localTransport } from './transport-local.ts';
import { sshTransport } from './transport-ssh.ts';
import type { OnRequest, RequestRecord, Transport } from './transport.ts';

function openTransport(remote: Remote): Transport {
  const directory = localPath(remote);
  if (directory !== undefined) return localTransport(remote, directory);
  const address = sshAddress(remote);
  return address === undefined ? httpTransport(remote) : sshTransport(remote, address);
}

export interface RequestFrame {
  readonly kind: RequestRecord['kind'];
  /** Milliseconds for the whole request. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRequest?: OnRequest | undefined;
}

/** Sends one request of the protocol (without `body`: asks for the advertisement) and gives the answer's bytes. */
export type Send = (version: 0 | 2, body?: Uint8Array) => AsyncIterable<Uint8Array>;

/**
 * Runs one request to a remote (which may take two exchanges): ends it at its deadline, counts its bytes, reports it
 * exactly once, also when it fails. Throws RemoteError, or the reason of `frame.signal`.
 */
export async function request<T>(remote: Remote, frame: RequestFrame, run: (send: Send) => Promise<T>): Promise<T> {
  frame.signal?.throwIfAborted();
  const transport = openTransport(remote);
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(timeoutError(remote, frame.timeoutMs)), frame.timeoutMs);
  const forward = (): void => abort.abort(frame.signal?.reason);
  frame.signal?.addEventListener('abort', forward, { once: true });
  const started = performance.now();
  let bytes = 0;
  let ok = false;
  try {
    const result = await run(async function* send(version, body) {
      const exchange = { version, signal: abort.signal, maxBytes: frame.maxBytes, ...(body === undefined ? {} : { body }) };
      for await (const chunk of transport(exchange)) {
        bytes += chunk.byteLength;
        yield chunk;
      }
    });
    ok = true;
    return result;
  } catch (error) {
    if (!(error instanceof FramingError)) throw error;
    throw new RemoteError('RemoteProtocol', `${remote.url} does not answer as a Git server (${error.message})`, { cause: error });
  } finally {
    clearTimeout(timer);
    frame.signal?.removeEventListener('abort', forward);
    frame.onRequest?.({ remote: remote.url, kind: frame.kind, ms: performance.now() - started, bytes, ok });
  }
}

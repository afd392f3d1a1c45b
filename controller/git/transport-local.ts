/** A repository on this machine: `git upload-pack` as a child process, which speaks just what an HTTP server passes through. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { refusal, RemoteError, tooLargeError } from './remote-error.ts';
import type { Remote } from './remote.ts';
import type { Exchange, Transport } from './transport.ts';

const STDERR_BYTES = 4096;

export function localTransport(remote: Remote, directory: string): Transport {
  return async function* exchange(request: Exchange): AsyncGenerator<Uint8Array> {
    if (!existsSync(directory)) throw new RemoteError('RemoteNotFound', `${remote.url} does not exist`, { hint: 'Check the path of this repository.' });
    request.signal.throwIfAborted();
    const flags = ['--stateless-rpc', ...(request.body === undefined ? ['--advertise-refs'] : [])];
    // The controller may read what another user owns; upload-pack runs no hook of the repository.
    const child = spawn('git', ['-c', 'safe.directory=*', 'upload-pack', ...flags, '--', directory], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environment(request.version),
    });
    const ended = new Promise<{ code: number | null; failure?: Error }>((resolve) => {
      child.once('error', (failure) => resolve({ code: null, failure }));
      child.once('close', (code) => resolve({ code }));
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < STDERR_BYTES) said += text;
    });
    const stop = (): void => void child.kill('SIGKILL');
    request.signal.addEventListener('abort', stop, { once: true });
    try {
      // upload-pack may end before it has read everything; its own words are the better error.
      child.stdin.on('error', () => undefined);
      child.stdin.end(request.body ?? new Uint8Array());
      let bytes = 0;
      for await (const chunk of child.stdout as AsyncIterable<Uint8Array>) {
        bytes += chunk.byteLength;
        if (bytes > request.maxBytes) throw tooLargeError(remote, request.maxBytes);
        yield chunk;
      }
      const { code, failure } = await ended;
      request.signal.throwIfAborted();
      if (failure !== undefined) throw new RemoteError('RemoteUnreachable', `${remote.url} cannot be read: git did not start`, { cause: failure, hint: 'Install git on this machine; local repositories need it.' });
      if (code !== 0) throw refusal(remote, said === '' ? `git upload-pack ended with ${String(code)}` : said);
    } finally {
      request.signal.removeEventListener('abort', stop);
      stop();
    }
  };
}

/** Nothing of the controller's own environment: neither its secrets nor another user's Git settings. */
function environment(version: 0 | 2): NodeJS.ProcessEnv {
  const { PATH } = process.env;
  return {
    ...(PATH === undefined ? {} : { PATH }),
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    ...(version === 2 ? { GIT_PROTOCOL: 'version=2' } : {}),
  };
}

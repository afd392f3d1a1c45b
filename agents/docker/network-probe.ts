/** HTTP and TCP health probes from the agent to a container. */
import { request } from 'node:http';
import { connect } from 'node:net';
import type { NetworkProbe, ProbeResult } from '../containers/runtime.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Errors that say "no way to that address from here", so that the next address is worth a try. */
const NO_WAY = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ABORT_ERR']);

/** Tries the addresses in order; only one that cannot be reached at all leads to the next. */
export async function probeNetwork(addresses: readonly Address[], probe: NetworkProbe, timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
  if (addresses.length === 0) return { ok: false, output: `the container has no address at which the agent could reach port ${probe.port}` };
  let last: ProbeResult = { ok: false, output: 'not probed' };
  for (const address of addresses) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      return probe.kind === 'http' ? await http(address, probe.path, limit) : await tcp(address, limit);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      const why = limit.aborted ? `no answer within ${timeoutMs} ms` : code === '' ? String(error) : code;
      last = { ok: false, output: `${probe.kind === 'http' ? `GET ${probe.path}` : 'connect'} on port ${probe.port}: ${why}` };
      if (signal.aborted || !(limit.aborted || NO_WAY.has(code))) return last;
    }
  }
  return last;
}

const BODY_SHOWN = 300;

function http(address: Address, path: string, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const call = request({ ...address, path, method: 'GET', agent: false, signal, headers: { 'user-agent': 'tagboat-agent', connection: 'close' } }, (response) => {
      const status = response.statusCode ?? 0;
      const ok = status >= 200 && status < 400;
      let body = '';
      function finish(): void {
        response.destroy();
        resolve({ ok, output: `GET ${path} on port ${address.port}: ${status}${body === '' ? '' : ` ${body.slice(0, BODY_SHOWN).replace(/\s+/g, ' ').trim()}`}` });
      }
      // A page that streams for ever has answered all the same.
      if (ok) return finish();
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > BODY_SHOWN) finish();
      });
      response.on('end', finish);
      response.on('error', finish);
    });
    call.on('error', reject);
    call.end();
  });
}

function tcp(address: Address, signal: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...address, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve({ ok: true, output: `connect on port ${address.port}: accepted` });
    });
    socket.once('error', reject);
  });
}

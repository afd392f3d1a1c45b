import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import * as grpc from '@grpc/grpc-js';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogChunk, LogLine, StreamLogsResponse } from '../../proto/gen/agent/v1/agent.ts';
import { ReplicaLinkService } from '../../proto/gen/agent/v1/agent.ts';
import { TagboatError } from '../errors.ts';
import { silentLogger } from '../log.ts';
import { Authority } from './authority.ts';
import { ListenerCredentials } from './listener-credentials.ts';
import { LogCalls } from './log-calls.ts';
import { passLogsOn, readFromReplica } from './replicas.ts';
import type { AgentSession } from './session.ts';

const line = (text: string): LogLine => ({ atMs: 0n, stream: 'stdout', text });

/** An agent's call with one chunk; `answered` is what it is told at its end. */
function arriving(requestId: string, text: string): { readonly stream: grpc.ServerReadableStream<LogChunk, StreamLogsResponse>; readonly answered: bigint[]; readonly answer: grpc.sendUnaryData<StreamLogsResponse> } {
  const stream = new PassThrough({ objectMode: true });
  stream.end({ requestId, lines: [line(text)] });
  const answered: bigint[] = [];
  return { stream: stream as unknown as grpc.ServerReadableStream<LogChunk, StreamLogsResponse>, answered, answer: (_error, value) => void answered.push(value?.lines ?? -1n) };
}

test('a log is taken from the node that was asked, whoever else knows the number of the request (R1)', async () => {
  const calls = new LogCalls();
  const { requestId, lines, close } = calls.open('acme', 'harbor');
  for (const [team, node] of [['rival', 'harbor'], ['acme', 'pier']] as const) {
    const { stream, answered, answer } = arriving(requestId, 'forged');
    await calls.accept({ team, node }, stream, answer);
    assert.equal([answered, stream.destroyed], [[0n], true]);
  }
  const own = arriving(requestId, 'real');
  await calls.accept({ team: 'acme', node: 'harbor' }, own.stream, own.answer);
  const heard: string[] = [];
  for await (const { text } of lines(AbortSignal.timeout(60_000))) heard.push(text);
  close();
  assert.equal([heard, own.answered], [['real'], [1n]]);
});

/** What a replica that asks gets to hear: lines, and how it ended. */
async function passedOn(requestLogs: (signal: AbortSignal) => AsyncGenerator<LogLine>, whenAsked: (call: EventEmitter) => void = () => undefined, cut = false): Promise<{ readonly heard: readonly string[]; readonly end: string }> {
  const heard: string[] = [];
  let end = 'open';
  const call = Object.assign(new EventEmitter(), {
    request: { team: 'acme', node: 'harbor', logs: { requestId: '', prefix: 'shop', container: 'shop-web', tail: 5, follow: true } },
    write: (chunk: LogChunk) => (heard.push(...chunk.lines.map(({ text }) => text)), true),
    end: () => void (end = 'ended'),
  });
  call.on('error', ({ code, details }: { readonly code: grpc.status; readonly details: string }) => void (end = `${grpc.status[code]} ${details}`));
  const session = { node: 'harbor', ended: cut ? Promise.resolve() : new Promise(() => undefined), requestLogs: (_request: unknown, signal: AbortSignal) => requestLogs(signal) };
  const passing = passLogsOn(call as unknown as Parameters<typeof passLogsOn>[0], session as unknown as AgentSession);
  whenAsked(call);
  await passing;
  return { heard, end };
}

test('between replicas: what is not there, what was cut and what is over are told apart', async () => {
  const two = async function* (): AsyncGenerator<LogLine> {
    yield line('one');
    yield line('two');
  };
  const nothing = async function* (): AsyncGenerator<LogLine> {
    await Promise.reject(new TagboatError('NotFound', 'the node has no such logs'));
    yield line('never');
  };
  assert.equal(await passedOn(two), { heard: ['one', 'two'], end: 'ended' });
  assert.equal(await passedOn(two, undefined, true), { heard: ['one', 'two'], end: 'UNAVAILABLE the line to node harbor was cut' });
  assert.match((await passedOn(nothing)).end, /^NOT_FOUND /);
});

/** What somebody reads at another replica, by real gRPC and TLS: both ends are the controller's own. */
async function readAcross(requestLogs: () => AsyncGenerator<LogLine>): Promise<{ readonly heard: readonly string[]; readonly end: string }> {
  const { authority } = await Authority.create();
  const credentials = await ListenerCredentials.create({ authority, hosts: [], log: silentLogger() });
  const server = new grpc.Server();
  server.addService(ReplicaLinkService, { readLogs: (call: Parameters<typeof passLogsOn>[0]) => void passLogsOn(call, { node: 'harbor', ended: new Promise(() => undefined), requestLogs } as unknown as AgentSession) });
  const heard: string[] = [];
  try {
    const port = await new Promise<number>((resolve, reject) => server.bindAsync('127.0.0.1:0', credentials.mutual, (error, bound) => (error === null ? resolve(bound) : reject(error))));
    const request = { team: 'acme', node: 'harbor', prefix: 'shop', container: 'shop-web', tail: 5, follow: false };
    for await (const { text } of readFromReplica(authority, `127.0.0.1:${port}`, request, AbortSignal.timeout(60_000))) heard.push(text);
    return { heard, end: 'ended' };
  } catch (error) {
    return { heard, end: error instanceof TagboatError ? `${error.code} ${error.message}` : String(error) };
  } finally {
    credentials.stop();
    server.forceShutdown();
  }
}

test('between replicas: who asks hears that there is no such log, which is another thing than a node that cannot be asked', async () => {
  const one = async function* (failure?: Error): AsyncGenerator<LogLine> {
    yield line('one');
    if (failure !== undefined) throw failure;
  };
  assert.equal(await readAcross(() => one()), { heard: ['one'], end: 'ended' });
  assert.match((await readAcross(() => one(new TagboatError('NotFound', 'The node has no such logs: nothing of that name')))).end, /^NotFound The node has no such logs: nothing of that name$/);
  assert.match((await readAcross(() => one(new TagboatError('AgentUnreachable', 'The log stream broke off')))).end, /^AgentUnreachable .*harbor could not be asked for its logs: .*The log stream broke off/);
});

test('between replicas: a reader that goes away ends the log on the node', async () => {
  let stopped = false;
  const follow = async function* (signal: AbortSignal): AsyncGenerator<LogLine> {
    yield line('one');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    stopped = true;
  };
  await passedOn(follow, (call) => void setTimeout(() => call.emit('cancelled'), 50));
  assert.ok(stopped);
});

test.run();

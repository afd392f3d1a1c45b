/**
 * From one replica of the controller to another: the logs of a node whose line the other one holds. Both show a certificate of the one
 * authority, and the one that asks is named in it as the controller, which no agent can be.
 */
import * as grpc from '@grpc/grpc-js';
import type { LogChunk, LogLine, ReadLogsRequest } from '../../proto/gen/agent/v1/agent.ts';
import { ReplicaLinkClient } from '../../proto/gen/agent/v1/agent.ts';
import { SERVER_NAME } from '../../proto/join.ts';
import { TagboatError, explainError } from '../errors.ts';
import type { Authority } from './authority.ts';
import type { AgentSession } from './session.ts';

const DIAL_MS = 5_000;

export interface LogRequest {
  readonly team: string;
  readonly node: string;
  readonly prefix: string;
  readonly container: string;
  readonly tail: number;
  readonly follow: boolean;
}

/** The side that holds the agent's line. Never throws; what goes wrong is the call's status. */
export async function passLogsOn(call: grpc.ServerWritableStream<ReadLogsRequest, LogChunk>, session: AgentSession | undefined): Promise<void> {
  call.on('error', () => undefined);
  const over = new AbortController();
  call.once('cancelled', () => over.abort());
  const refuse = (code: grpc.status, details: string): void => void call.emit('error', { code, details });
  const { logs } = call.request;
  if (session === undefined || logs === undefined) return refuse(grpc.status.UNAVAILABLE, `node ${call.request.node} has no line to this replica`);
  let ended = false;
  void session.ended.then(() => (ended = true));
  try {
    for await (const line of session.requestLogs({ prefix: logs.prefix, container: logs.container, tail: logs.tail, follow: logs.follow }, over.signal)) {
      if (!call.write({ requestId: '', lines: [line] })) await drained(call, over.signal);
      if (over.signal.aborted) return;
    }
    if (ended) return refuse(grpc.status.UNAVAILABLE, `the line to node ${session.node} was cut`);
    call.end();
  } catch (error) {
    // Code and hint are added again by whoever tells it.
    if (error instanceof TagboatError && error.code === 'NotFound') return refuse(grpc.status.NOT_FOUND, error.message);
    refuse(grpc.status.UNAVAILABLE, explainError(error));
  }
}

/** The side that is asked by a reader. Ends with the log or the signal. Throws `NotFound` and `AgentUnreachable`. */
export async function* readFromReplica(authority: Authority, address: string, { team, node, ...logs }: LogRequest, signal: AbortSignal): AsyncGenerator<LogLine> {
  const { pem, key } = await authority.issueReplicaCertificate();
  const client = new ReplicaLinkClient(address, grpc.credentials.createSsl(Buffer.from(authority.certificate), Buffer.from(key), Buffer.from(pem)), {
    'grpc.ssl_target_name_override': SERVER_NAME,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  let stop = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => client.waitForReady(Date.now() + DIAL_MS, (error) => (error === undefined ? resolve() : reject(error))));
    const call = client.readLogs({ team, node, logs: { requestId: '', ...logs } });
    stop = () => call.cancel();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    for await (const chunk of call as AsyncIterable<LogChunk>) yield* chunk.lines;
  } catch (error) {
    if (signal.aborted) return;
    const { code, details } = error as { readonly code?: number; readonly details?: string };
    if (code === grpc.status.NOT_FOUND) throw new TagboatError('NotFound', details ?? 'the node has no such logs', { cause: error });
    throw new TagboatError('AgentUnreachable', `the replica of the controller that holds the line to node ${node} could not be asked for its logs: ${details ?? (error instanceof Error ? error.message : 'no answer')}`, { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    client.close();
  }
}

async function drained(call: grpc.ServerWritableStream<ReadLogsRequest, LogChunk>, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.on('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}

/**
 * Log streams on their way from agents to readers. A reader opens a call and asks the agent for it; the agent answers with
 * a StreamLogs call of its own, whose flow control reaches from the reader to the engine: no line waits in memory.
 */
import { randomUUID } from 'node:crypto';
import type { sendUnaryData, ServerReadableStream } from '@grpc/grpc-js';
import type { LogChunk, LogLine, StreamLogsResponse } from '../../proto/gen/agent/v1/agent.ts';
import { TagboatError } from '../errors.ts';
import type { Deferred } from './deferred.ts';
import { deferred } from './deferred.ts';

/** How long an agent may take to begin. */
const BEGIN_MS = 15_000;

type Arrived = { readonly stream: ServerReadableStream<LogChunk, StreamLogsResponse>; readonly first: LogChunk; readonly answer: sendUnaryData<StreamLogsResponse> };

interface Waiting {
  readonly team: string;
  readonly node: string;
  readonly arrived: Deferred<Arrived>;
}

export interface LogCall {
  readonly requestId: string;
  lines(signal: AbortSignal): AsyncGenerator<LogLine>;
  close(): void;
}

export class LogCalls {
  readonly #waiting = new Map<string, Waiting>();

  open(team: string, node: string): LogCall {
    const requestId = randomUUID();
    const arrived = deferred<Arrived>();
    arrived.promise.catch(() => undefined);
    this.#waiting.set(requestId, { team, node, arrived });
    return {
      requestId,
      lines: (signal) => readLines(arrived.promise, signal),
      close: () => {
        this.#waiting.delete(requestId);
        arrived.reject(new TagboatError('AgentUnreachable', 'The log stream was closed before it began'));
      },
    };
  }

  unavailable(requestId: string, reason: string): void {
    this.#waiting.get(requestId)?.arrived.reject(new TagboatError('NotFound', `The node has no such logs: ${reason}`));
  }

  /** An agent's StreamLogs call; the first chunk says which request it answers. Another node's answer is refused (R1). */
  async accept(of: { readonly team: string; readonly node: string }, stream: ServerReadableStream<LogChunk, StreamLogsResponse>, answer: sendUnaryData<StreamLogsResponse>): Promise<void> {
    stream.on('error', () => undefined);
    const first = (await once(stream)) ?? { requestId: '', lines: [] };
    const waiting = this.#waiting.get(first.requestId);
    if (waiting === undefined || waiting.team !== of.team || waiting.node !== of.node) {
      answer(null, { lines: 0n });
      stream.destroy();
      return;
    }
    waiting.arrived.resolve({ stream, first, answer });
  }
}

async function once(stream: ServerReadableStream<LogChunk, StreamLogsResponse>): Promise<LogChunk | undefined> {
  return new Promise((resolve) => {
    stream.once('data', (chunk: LogChunk) => {
      stream.pause();
      resolve(chunk);
    });
    stream.once('end', () => resolve(undefined));
    stream.once('cancelled', () => resolve(undefined));
  });
}

async function* readLines(arrived: Promise<Arrived>, signal: AbortSignal): AsyncGenerator<LogLine> {
  const late = AbortSignal.any([signal, AbortSignal.timeout(BEGIN_MS)]);
  const begun = await Promise.race([arrived, aborted(late)]);
  if (begun === undefined) {
    if (signal.aborted) return;
    throw new TagboatError('AgentUnreachable', 'The agent did not begin to send the log in time');
  }
  const { stream, first, answer } = begun;
  let count = 0n;
  const stop = (): void => void stream.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (const line of first.lines) yield (count++, line);
    for await (const chunk of stream as AsyncIterable<LogChunk>) for (const line of chunk.lines) yield (count++, line);
  } catch (error) {
    if (!signal.aborted) throw new TagboatError('AgentUnreachable', 'The log stream broke off', { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
    answer(null, { lines: count });
    stream.destroy();
  }
}

async function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return undefined;
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
}

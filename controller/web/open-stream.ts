/**
 * Answers that go on for a while: server-sent events, and text as it comes. A slow reader is waited for, a reader who left is noticed,
 * and there is an end in any case: the reader's, the stream's own, the controller's.
 */
import type { Request, Response } from 'express';
import { TagboatError } from '../errors.ts';
import { callerOf, stillAdmitted } from './access.ts';
import { keepOpen } from './deadline.ts';

/** Streams that one controller keeps open; each costs a socket and, with logs, a stream of an agent. */
const MAX_OPEN = 512;
/** Of one profile, or of one address where nobody is signed in: no reader takes the streams of all others. */
const MAX_OF_ONE = 64;
/** Proxies close what is silent for a minute. */
const KEEP_ALIVE_MS = 15_000;
/** A reader who takes nothing for so long is gone. */
const STUCK_MS = 60_000;

let open = 0;
const openOf = new Map<string, number>();

export interface StreamOptions {
  /** `text/event-stream`, `text/plain`, `application/x-ndjson`. */
  readonly type: string;
  /** After this long the stream ends by itself; browsers come back. Milliseconds. */
  readonly maxMs: number;
  /** The controller stops. */
  readonly closing: AbortSignal;
  /** Written when nothing else was for a while; none for formats that have no comment. */
  readonly keepAlive?: string | undefined;
}

export interface OpenStream {
  /** Aborts when nobody reads any more or the time is up. */
  readonly signal: AbortSignal;
  /** Resolves when the reader has room for more; false when there is nobody to write to. */
  write(text: string): Promise<boolean>;
  end(): void;
}

/** Begins the answer: status and head are sent with the first word. Throws `Busy` when too many streams are open. */
export function openStream(request: Request, response: Response, options: StreamOptions): OpenStream {
  if (open >= MAX_OPEN) throw new TagboatError('Busy', 'too many streams are open at this controller');
  const reader = readerOf(request, response);
  const mine = openOf.get(reader) ?? 0;
  if (mine >= MAX_OF_ONE) throw new TagboatError('Busy', 'you have too many streams open at this controller');
  open++;
  openOf.set(reader, mine + 1);
  keepOpen(response);
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, options.closing, AbortSignal.timeout(options.maxMs)]);
  const timer = setInterval(() => void tick(), KEEP_ALIVE_MS);
  const gone = (): void => {
    open--;
    const left = (openOf.get(reader) ?? 1) - 1;
    if (left > 0) openOf.set(reader, left);
    else openOf.delete(reader);
    clearInterval(timer);
    over.abort();
  };
  // Who left before it began tells nothing more.
  if (response.closed || response.destroyed) gone();
  else response.once('close', gone);
  response.status(200).set({ 'Content-Type': `${options.type}; charset=utf-8`, 'X-Accel-Buffering': 'no' });
  if (request.method !== 'HEAD' && !response.destroyed) response.flushHeaders();
  let waiting: Promise<boolean> | undefined;

  const write = async (text: string): Promise<boolean> => {
    if (signal.aborted || response.destroyed) return false;
    if (waiting !== undefined && !(await waiting)) return false;
    if (response.write(text)) return true;
    waiting = drained(response, signal).finally(() => (waiting = undefined));
    return waiting;
  };
  const tick = async (): Promise<void> => {
    // A token may be revoked and a member removed while somebody reads.
    if (!(await stillAdmitted(response).catch(() => true))) return over.abort();
    if (options.keepAlive !== undefined && waiting === undefined) await write(options.keepAlive);
  };
  return {
    signal,
    write,
    end: () => {
      over.abort();
      if (!response.destroyed) response.end();
    },
  };
}

function readerOf(request: Request, response: Response): string {
  const { kind, profile } = callerOf(response);
  return profile ?? (kind === 'operator' ? 'operator' : `address:${request.ip ?? ''}`);
}

/** What keeps a stream of server-sent events open. */
export const EVENT_KEEP_ALIVE = ': still here\n\n';

/** One server-sent event; `data` goes as JSON, on one line. */
export function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** False when the reader left or takes nothing. */
async function drained(response: Response, signal: AbortSignal): Promise<boolean> {
  return new Promise<boolean>((resolve) => {
    const done = (room: boolean): void => {
      clearTimeout(timer);
      response.off('drain', drain);
      response.off('close', gone);
      signal.removeEventListener('abort', gone);
      resolve(room);
    };
    const drain = (): void => done(true);
    const gone = (): void => done(false);
    const timer = setTimeout(() => {
      response.destroy();
      done(false);
    }, STUCK_MS);
    response.once('drain', drain);
    response.once('close', gone);
    signal.addEventListener('abort', gone, { once: true });
  });
}

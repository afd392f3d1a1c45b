/** `GET /api/v1/teams/:team/events`: what changes in a team, as server-sent events (SPEC §5). */
import type { Request, Response } from 'express';
import type { FeedEvent } from './change-feed.ts';
import { teamOf } from './context.ts';
import type { WebContext } from './context.ts';
import { EVENT_KEEP_ALIVE, openStream } from './open-stream.ts';

/** Browsers come back by themselves, and are asked anew who they are. */
const STREAM_MS = 10 * 60_000;
/** A reader that is further behind is dropped; it comes back and is told to look at everything. */
const MAX_BEHIND = 256;

/**
 * Each event has an id; `Last-Event-ID` takes up where a line was cut, or is answered with `refresh`: look at everything.
 * Events: `deployment` (its row, or `{name, gone}`), `attempt` (with its new steps), `node`, `product`, `review`, `poll`, `refresh`.
 */
export async function sendTeamEvents(context: WebContext, request: Request, response: Response): Promise<void> {
  const team = await teamOf(context, request, response);
  const stream = openStream(request, response, { type: 'text/event-stream', keepAlive: EVENT_KEEP_ALIVE, maxMs: STREAM_MS, closing: context.closing });
  if (request.method === 'HEAD') return stream.end();
  const queue: FeedEvent[] = [];
  let wake: (() => void) | undefined;
  const subscription = context.changes.watch(team.name, (request.get('last-event-id') ?? '').slice(0, 100), (event) => {
    queue.push(event);
    // Not `end`: what is buffered for a reader that takes nothing would keep the socket.
    if (queue.length > MAX_BEHIND) response.destroy();
    wake?.();
  });
  stream.signal.addEventListener('abort', () => wake?.(), { once: true });
  try {
    await stream.write('retry: 2000\n\n');
    for (const event of subscription.missed) await stream.write(text(event));
    while (!stream.signal.aborted) {
      const next = queue.shift();
      if (next !== undefined) {
        if (!(await stream.write(text(next)))) break;
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (queue.length > 0 || stream.signal.aborted) resolve();
      });
    }
  } finally {
    subscription.end();
    stream.end();
  }
}

function text({ id, event, data }: FeedEvent): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

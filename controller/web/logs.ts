/** Container logs of a deployment, as they come from its node: plain text, lines of JSON, or server-sent events. */
import type { Request, Response } from 'express';
import { TagboatError } from '../errors.ts';
import { scrub } from '../scrub.ts';
import type { DeploymentView } from '../store/views/deployment-rows.ts';
import { listDeployments } from '../store/views/deployments.ts';
import { noDeployment, parameter, positive, teamOf } from './context.ts';
import type { LogLine, WebContext } from './context.ts';
import { EVENT_KEEP_ALIVE, eventText, openStream } from './open-stream.ts';

const DEFAULT_TAIL = 100;
const MAX_TAIL = 10_000;
/** A followed log ends after this; readers who still care ask again. */
const FOLLOW_MS = 60 * 60_000;
const READ_MS = 5 * 60_000;
/** Of one line; more of it nobody reads. */
const MAX_LINE = 16_384;

type Shape = { readonly type: string; readonly keepAlive?: string; line(line: LogLine): string; end(reason: string): string };

const SHAPES = {
  'text/event-stream': {
    type: 'text/event-stream',
    keepAlive: EVENT_KEEP_ALIVE,
    line: (line) => eventText('line', line),
    end: (reason) => eventText('end', { reason }),
  },
  'application/x-ndjson': { type: 'application/x-ndjson', line: (line) => `${JSON.stringify(line)}\n`, end: (reason) => (reason === '' ? '' : `${JSON.stringify({ reason })}\n`) },
  'text/plain': { type: 'text/plain', line: (line) => `${line.text}\n`, end: (reason) => (reason === '' ? '' : `[${reason}]\n`) },
} as const satisfies Record<string, Shape>;

/**
 * `GET …/deployments/:name/logs?container=&tail=&follow=`. `container` is the container's name or its image's; it may be left out
 * where there is one. `tail`: how many lines to begin with (100), `follow=true`: go on.
 */
export async function sendLogs(context: WebContext, request: Request, response: Response): Promise<void> {
  const shape: Shape = SHAPES[(request.accepts(['text/plain', 'application/x-ndjson', 'text/event-stream']) || 'text/plain') as keyof typeof SHAPES];
  const tail = positive(request, 'tail', MAX_TAIL) ?? DEFAULT_TAIL;
  const follow = flag(request, 'follow');
  const team = await teamOf(context, request, response);
  const name = parameter(request, 'name');
  const [deployment] = await listDeployments(context.pool, team.name, { name });
  if (deployment === undefined) throw noDeployment(team.name, name);
  const { node, prefix } = deployment;
  if (node === null || prefix === null) throw new TagboatError('NotFound', `deployment ${name} has no target yet, so it has no logs`);
  const container = containerOf(deployment, request.query['container']);
  if (deployment.nodeStatus !== 'connected') throw new TagboatError('AgentUnreachable', `node ${node} is not connected, so its logs cannot be read`, { hint: 'Look at the agent on the node; logs are read there and kept nowhere else.' });

  const begun = new AbortController();
  response.once('close', () => begun.abort());
  const lines = context.logs.read({ team: team.name, node, prefix, container, tail, follow }, begun.signal)[Symbol.asyncIterator]();
  // The first line, or the refusal, before any head is sent: an error is still a status then. A log that is silent for long begins empty.
  let next = lines.next();
  next.catch(() => undefined);
  const early = await Promise.race([next.then((result) => ({ result })), sleep(follow ? 1_000 : READ_MS, begun.signal)]);
  const stream = openStream(request, response, { type: shape.type, keepAlive: shape.keepAlive, maxMs: follow ? FOLLOW_MS : READ_MS, closing: context.closing });
  stream.signal.addEventListener('abort', () => begun.abort(), { once: true });
  try {
    if (request.method === 'HEAD') return;
    for (let result = early?.result ?? (await next); result.done !== true; result = await next) {
      if (!(await stream.write(shape.line(tidy(result.value))))) break;
      next = lines.next();
    }
    await stream.write(shape.end(''));
  } catch (error) {
    context.log.info({ err: error, team: team.name, node }, 'a log stream ended early');
    await stream.write(shape.end(error instanceof TagboatError ? error.message : 'the log stream broke off'));
  } finally {
    begun.abort();
    stream.end();
    await lines.return?.(undefined).catch(() => undefined);
  }
}

/** Texts that the node wrote are scrubbed like any other that leaves the process (R27). */
export function tidy(line: LogLine): LogLine {
  return { at: line.at, stream: line.stream, text: scrub(line.text.replace(/\r?\n$/, '').slice(0, MAX_LINE)) };
}

export function containerOf({ name, prefix, containers }: DeploymentView, asked: unknown): string {
  const names = containers.map((container) => container.name);
  const listed = names.length === 0 ? 'none is known' : names.join(', ');
  if (asked === undefined || asked === '') {
    const [only, ...more] = names;
    if (only === undefined) throw new TagboatError('NotFound', `deployment ${name} has no containers that are known`);
    if (more.length > 0) throw new TagboatError('UsageError', `deployment ${name} has several containers: ${listed}`, { hint: 'Name one with container= (--container on the command line).' });
    return only;
  }
  const called = typeof asked === 'string' ? [asked, `${prefix ?? ''}-${asked}`] : [];
  const found = containers.find((container) => called.includes(container.name)) ?? containers.find((container) => container.imageName === asked);
  if (found === undefined) throw new TagboatError('NotFound', `deployment ${name} has no such container; its containers: ${listed}`);
  return found.name;
}

function flag(request: Request, name: string): boolean {
  const text: unknown = request.query[name];
  if (text === undefined || text === 'false' || text === '0') return false;
  if (text === 'true' || text === '1' || text === '') return true;
  throw new TagboatError('UsageError', `${name} must be true or false`, { hint: `Leave ${name} out, or correct it.` });
}

async function sleep(milliseconds: number, signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), milliseconds);
    timer.unref();
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

/** `POST /webhooks/:team`: bounded, checked before it is parsed, written down, and then at most a hint to look now (SPEC §5). */
import { createHash, randomBytes } from 'node:crypto';
import { raw } from 'express';
import type { Request, Response } from 'express';
import type { Secret } from '../../secret.ts';
import { loadWatched, recordDelivery } from '../../store/deliveries.ts';
import type { NewDelivery } from '../../store/deliveries.ts';
import { noteTold } from '../../store/requests.ts';
import type { ToldRequest } from '../../store/requests.ts';
import type { AccessOptions } from '../access.ts';
import { parameter } from '../context.ts';
import type { WebContext } from '../context.ts';
import type { WebError } from '../pages/error-page.ts';
import { Routes } from '../routes.ts';
import { sendError } from '../web-errors.ts';
import { readEvent } from './event.ts';
import { relevanceOf } from './relevance.ts';
import type { Relevance } from './relevance.ts';
import { isSealed, readEnvelope } from './signature.ts';
import type { Envelope } from './signature.ts';

/** What a team takes webhooks with; a team without a secret takes none. */
export interface HookSettings {
  readonly secret: Secret | null;
  readonly reviews: boolean;
  readonly reviewBranches: readonly string[];
}

/** Hosts cut payloads at 25 MB; pushes that big carry nothing that is read here. */
export const MAX_BODY_BYTES = 8_388_608;
/** Bodies that are read at a time, whoever sends them. */
const MAX_BODIES = 8;
/** Unsigned deliveries of one team that are written down in a minute; anybody can send them. */
const MAX_UNSIGNED_ROWS = 10;

const readRaw = raw({ type: () => true, limit: MAX_BODY_BYTES, inflate: false });

export function webhookRoutes(context: WebContext, access: AccessOptions, hooks: ReadonlyMap<string, HookSettings>): Routes {
  const { pool, log, metrics, version } = context;
  const routes = new Routes(access, '');
  // An unknown team is refused by the same work, with a secret that nobody knows (R1).
  const nobodys = randomBytes(32).toString('hex');
  const unsigned = new PerMinute(MAX_UNSIGNED_ROWS);
  let bodies = 0;

  const note = async (delivery: NewDelivery, request?: ToldRequest): Promise<{ readonly id: number; readonly outcome: string }> => {
    // One transaction: whoever is woken finds what was told, and a repetition tells nothing.
    const written = await pool.transaction(async (tx) => {
      const row = await recordDelivery(tx, delivery);
      if (request !== undefined && row.outcome === 'polled') await noteTold(tx, delivery.team, request);
      return row;
    });
    metrics.webhooks.inc({ team: delivery.team, provider: delivery.provider, outcome: written.outcome });
    return written;
  };

  /** Answered first: how long a row takes would tell which teams there are. */
  const refuseUnsigned = (request: Request, response: Response, envelope: Envelope | null, reason: string): void => {
    const team = parameter(request, 'team');
    response.set({ 'WWW-Authenticate': 'Signature', Connection: 'close' });
    sendError(request, response, unauthorized(reason), version);
    const settings = hooks.get(team);
    if (settings === undefined || !unsigned.take(team)) {
      metrics.webhooks.inc({ team: '', provider: envelope?.provider ?? '', outcome: 'refused' });
      return;
    }
    const told = settings.secret === null ? 'the team has no webhookSecret in the controller configuration' : reason;
    const row = { team, ...facts(envelope), digest: null, ref: null, outcome: 'refused', status: 401, reason: told } as const;
    void note(row).catch((error: unknown) => log.warn({ err: error, team }, 'a refused delivery could not be written down'));
  };

  routes.post('/webhooks/:team', 'signature', async (request, response) => {
    const team = parameter(request, 'team');
    const settings = hooks.get(team);
    const envelope = readEnvelope(request.headers);
    if (envelope?.seal == null) return refuseUnsigned(request, response, envelope, 'the request is not signed');
    if (bodies >= MAX_BODIES) {
      response.set({ 'Retry-After': '5', Connection: 'close' });
      return sendError(request, response, { status: 503, code: 'Busy', message: 'too many deliveries arrive at once', hint: 'Send it again in a few seconds.' }, version);
    }
    bodies += 1;
    let body: Buffer;
    try {
      body = await readBody(request, response);
    } finally {
      bodies -= 1;
    }
    const secret = settings?.secret?.reveal() ?? nobodys;
    if (!isSealed(envelope.seal, body, secret, Date.now()) || settings?.secret == null) return refuseUnsigned(request, response, envelope, 'the signature does not fit');

    const about = { team, ...facts(envelope), digest: createHash('sha256').update(body).digest('hex') };
    const understood = await understand(context, envelope, body, team, settings);
    if ('refused' in understood) {
      const { id } = await note({ ...about, ref: null, outcome: 'refused', status: 422, reason: understood.refused });
      const error = { status: 422, code: 'WebhookRefused', message: understood.refused, hint: `Delivery ${String(id)} on the delivery log of team ${team}. Send push and merge request events of the team's repository as application/json.` };
      return sendError(request, response, error, version);
    }
    const { id, outcome } = await note({ ...about, ref: understood.ref, outcome: understood.look ? 'polled' : 'ignored', status: 202, reason: understood.reason }, understood.request);
    response.status(202).json({ delivery: id, outcome, reason: outcome === 'duplicate' ? 'it was delivered before' : understood.reason });
  });

  return routes;
}

async function understand({ pool }: WebContext, envelope: Envelope, body: Buffer, team: string, settings: HookSettings): Promise<Relevance> {
  let payload: unknown;
  try {
    payload = JSON.parse(textOf(body));
  } catch {
    return { refused: 'the payload is no JSON; choose application/json as the content type' };
  }
  const event = readEvent(envelope, payload);
  if ('refused' in event) return event;
  const watched = await loadWatched(pool, team);
  if (watched === null) return { refused: 'the team is not set up yet' };
  return relevanceOf(event, { watched, reviews: settings.reviews, reviewBranches: settings.reviewBranches });
}

/** JSON, or the field of a form that holds it: what GitHub and Gitea send where nobody chose a content type. */
function textOf(body: Buffer): string {
  const text = body.toString('utf8');
  return text.startsWith('payload=') ? (new URLSearchParams(text).get('payload') ?? '') : text;
}

function facts(envelope: Envelope | null): Pick<NewDelivery, 'provider' | 'event' | 'deliveryId'> {
  return { provider: envelope?.provider ?? '', event: envelope?.event.slice(0, 100) ?? '', deliveryId: envelope?.deliveryId?.slice(0, 200) ?? null };
}

function unauthorized(reason: string): WebError {
  return { status: 401, code: 'Unauthorized', message: reason, hint: 'Give the webhook at the Git host the same secret as `webhookSecret` of this team in the controller configuration.' };
}

/** The bytes as they came. Throws what Express makes an answer of: 413 beyond the limit, 415 for a compressed body. */
async function readBody(request: Request, response: Response): Promise<Buffer> {
  await new Promise<void>((resolve, reject) => readRaw(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error))));
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
}

/** So many a minute for each name; all are forgotten with the minute. */
class PerMinute {
  readonly #limit: number;
  readonly #taken = new Map<string, number>();
  #minute = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  take(name: string): boolean {
    const minute = Math.floor(Date.now() / 60_000);
    if (minute !== this.#minute) this.#taken.clear();
    this.#minute = minute;
    const taken = this.#taken.get(name) ?? 0;
    this.#taken.set(name, taken + 1);
    return taken < this.#limit;
  }
}

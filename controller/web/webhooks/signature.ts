/**
 * Webhooks of Git hosts: told in, checked, and turned into a hint to look at the repository sooner. Nothing of a payload is
 * taken for a fact but that a request to merge is closed, which hides its review.
 *
 * Who lives here: signature (who sent it), event (what it says), relevance (whether that matters), receive (the route), deliveries
 * (the log of them). Everything but the last two is pure.
 */
import { createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { sameText } from '../cookies.ts';

export type Provider = 'github' | 'gitlab' | 'gitea' | 'forgejo' | 'bitbucket';

/** What the headers say. Nothing of it is true before the signature was checked. */
export interface Envelope {
  readonly provider: Provider;
  /** As the host names it: `push`, `Push Hook`, `repo:push`. */
  readonly event: string;
  readonly deliveryId: string | null;
  /** How it is signed; null: not at all. */
  readonly seal: Seal | null;
}

type Seal =
  | { readonly kind: 'hmac'; readonly hex: string }
  | { readonly kind: 'token'; readonly token: string }
  /** Standard Webhooks: id, time in seconds and body are signed. */
  | { readonly kind: 'standard'; readonly id: string; readonly timestamp: string; readonly signatures: readonly string[] };

/** How far the time of a signed delivery may be off; seconds. */
const TOLERANCE_S = 300;

/** Which host this comes from; null when no header tells. Gitea and Forgejo also send GitHub's headers, so they are looked for first. */
export function readEnvelope(headers: IncomingHttpHeaders): Envelope | null {
  const get = (name: string): string | null => {
    const value = headers[name];
    // eslint-disable-next-line no-control-regex -- what goes into rows and logs
    return typeof value === 'string' && value !== '' ? value.slice(0, 500).replaceAll(/[\u0000-\u001f\u007f]/g, ' ') : null;
  };
  const hmac = (value: string | null): Seal | null => (value === null ? null : { kind: 'hmac', hex: value.replace(/^sha256=/, '') });
  for (const provider of ['forgejo', 'gitea'] as const) {
    const event = get(`x-${provider}-event`);
    if (event !== null || get(`x-${provider}-signature`) !== null) return { provider, event: event ?? '', deliveryId: get(`x-${provider}-delivery`), seal: hmac(get(`x-${provider}-signature`)) };
  }
  const gitlab = get('x-gitlab-event');
  if (gitlab !== null || get('x-gitlab-token') !== null) return { provider: 'gitlab', event: gitlab ?? '', deliveryId: get('idempotency-key') ?? get('x-gitlab-event-uuid'), seal: gitlabSeal(get) };
  const bitbucket = get('x-event-key');
  if (bitbucket !== null) return { provider: 'bitbucket', event: bitbucket, deliveryId: get('x-request-uuid') ?? get('x-request-id'), seal: hmac(get('x-hub-signature')) };
  const github = get('x-github-event');
  if (github !== null || get('x-hub-signature-256') !== null) return { provider: 'github', event: github ?? '', deliveryId: get('x-github-delivery'), seal: hmac(get('x-hub-signature-256')) };
  return null;
}

/** A signature decides where there is one; the token in clear does not rescue a wrong one. */
function gitlabSeal(get: (name: string) => string | null): Seal | null {
  const signature = get('webhook-signature');
  const token = get('x-gitlab-token');
  if (signature !== null) return { kind: 'standard', id: get('webhook-id') ?? '', timestamp: get('webhook-timestamp') ?? '', signatures: signature.split(' ') };
  return token === null ? null : { kind: 'token', token };
}

/** Whether the seal was made with this secret, over these very bytes. Takes the same time whatever is wrong. `now` in milliseconds. */
export function isSealed(seal: Seal, body: Buffer, secret: string, now: number): boolean {
  if (seal.kind === 'token') return sameText(seal.token, secret);
  if (seal.kind === 'hmac') return sameText(seal.hex.toLowerCase(), createHmac('sha256', secret).update(body).digest('hex'));
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret, 'utf8');
  const expected = `v1,${createHmac('sha256', key).update(`${seal.id}.${seal.timestamp}.`).update(body).digest('base64')}`;
  const fits = seal.signatures.map((one) => sameText(one, expected)).some(Boolean);
  const late = !/^\d{1,12}$/.test(seal.timestamp) || Math.abs(now / 1_000 - Number(seal.timestamp)) > TOLERANCE_S;
  return fits && !late;
}

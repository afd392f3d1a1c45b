/**
 * The name in the controller's certificates that agents check, whatever address they dial: the authority behind it is the
 * controller's own and signs nothing else for servers, so addresses may change and stand behind NAT.
 */
export const SERVER_NAME = 'tagboat-controller';

/** The one word that a person pastes on a host (R4): where to dial, whom to trust, and the single-use token. */
export interface Join {
  /** host:port of the agent listener. */
  readonly controller: string;
  /** host:port of the enrolment listener. */
  readonly enrol: string;
  /** `sha256:…` of the controller's CA. */
  readonly fingerprint: string;
  readonly token: string;
}

const PREFIX = 'tagboat-join:';

export function encodeJoin(join: Join): string {
  return PREFIX + Buffer.from(JSON.stringify(join), 'utf8').toString('base64url');
}

/** Undefined for a text that is no join word. */
export function decodeJoin(text: string): Join | undefined {
  if (!text.startsWith(PREFIX)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(text.slice(PREFIX.length), 'base64url').toString('utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { controller, enrol, fingerprint, token } = value as Record<string, unknown>;
    if (typeof controller !== 'string' || typeof enrol !== 'string' || typeof fingerprint !== 'string' || typeof token !== 'string') return undefined;
    return { controller, enrol, fingerprint, token };
  } catch {
    return undefined;
  }
}

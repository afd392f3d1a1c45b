/** Enrolment tokens: shown once, stored as a hash only (R4). */
import { createHash, randomBytes } from 'node:crypto';

export function newEnrolmentToken(): string {
  return `tgb_${randomBytes(32).toString('base64url')}`;
}

/** SHA-256 hex; the token has 256 bits of its own, so no salt is needed. */
export function hashEnrolmentToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

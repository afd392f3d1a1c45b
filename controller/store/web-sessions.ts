/** Browser sessions: server-side rows, known by the hash of what is in the cookie. */
import { randomBytes } from 'node:crypto';
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { z } from 'zod';
import type { Role } from '../model/role.ts';
import { Secret } from '../secret.ts';
import { hashSecret, roleRow, rolesOf } from './access-tokens.ts';
import { appendAudit } from './audit.ts';
import type { Queryable } from './pool.ts';
import { nothing } from './rows.ts';

/** The most that one profile, token or operator may have open; the oldest end first. */
const MAX_SESSIONS = 50;

/** Who signed in and how. */
export type SignedIn =
  | { readonly kind: 'operator'; readonly operatorHash: string }
  | { readonly kind: 'token'; readonly profile: string; readonly tokenId: string; readonly team: string | null; readonly until: Date }
  | { readonly kind: 'oidc'; readonly profile: string };

export interface KnownSession {
  /** Null: the operator. */
  readonly profile: string | null;
  readonly operatorHash: string | null;
  readonly roles: Readonly<Record<string, Role>>;
  /** The bounds of the token that it came from. */
  readonly token: { readonly id: string; readonly team: string | null; readonly role: Role } | null;
}

/** The value for the cookie. `where`: where the request came from, for the audit log. */
export async function openSession(pool: DatabasePool, who: SignedIn, lifetimeMs: number, where: string): Promise<{ readonly secret: Secret; readonly expiresAt: Date }> {
  const secret = new Secret(`tgs_${randomBytes(32).toString('base64url')}`);
  const profile = who.kind === 'operator' ? null : who.profile;
  const token = who.kind === 'token' ? who.tokenId : null;
  return pool.transaction(async (tx) => {
    const expiresAt = await tx.oneFirst(sql.type(z.object({ at: z.date() }))`
      insert into web_session (hash, profile, operator_hash, token_id, expires_at)
      values (${hashSecret(secret.reveal())}, ${profile}, ${who.kind === 'operator' ? who.operatorHash : null}, ${token},
        least(now() + ${lifetimeMs} * interval '1 millisecond', ${who.kind === 'token' ? who.until.toISOString() : null}::timestamptz)) returning expires_at as at`);
    await tx.query(sql.type(nothing)`
      delete from web_session where hash in (
        select hash from web_session where profile is not distinct from ${profile} order by created_at desc, hash offset ${MAX_SESSIONS})`);
    await appendAudit(tx, { team: (who.kind === 'token' ? who.team : null) ?? '', actor: profile ?? 'operator', action: 'session.opened', object: `profile/${profile ?? 'operator'}`, result: 'accepted', detail: { by: who.kind, token, from: where } });
    return { secret, expiresAt };
  });
}

const sessionRow = z.object({ profile: z.string().nullable(), operatorHash: z.string().nullable(), roles: z.record(roleRow), tokenId: z.string().nullable(), tokenTeam: z.string().nullable(), tokenRole: roleRow.nullable() });

/** Null when it is over: signed out, expired, or its token revoked or expired. */
export async function findSession(connection: Queryable, cookie: string): Promise<KnownSession | null> {
  if (!/^tgs_[A-Za-z0-9_-]{43}$/.test(cookie)) return null;
  const row = await connection.maybeOne(sql.type(sessionRow)`
    select s.profile, s.operator_hash as "operatorHash", ${rolesOf(sql.fragment`s.profile`)} as roles, t.id as "tokenId", t.team as "tokenTeam", t.role as "tokenRole"
    from web_session s left join access_token t on t.id = s.token_id
    where s.hash = ${hashSecret(cookie)} and s.expires_at > now() and (s.token_id is null or (t.revoked_at is null and t.expires_at > now()))`);
  if (row === null) return null;
  const { tokenId, tokenTeam, tokenRole, ...session } = row;
  return { ...session, token: tokenId === null || tokenRole === null ? null : { id: tokenId, team: tokenTeam, role: tokenRole } };
}

export async function closeSession(pool: DatabasePool, cookie: string): Promise<void> {
  await pool.transaction(async (tx) => {
    const row = await tx.maybeOne(sql.type(z.object({ profile: z.string().nullable(), team: z.string().nullable() }))`
      delete from web_session s where hash = ${hashSecret(cookie)} returning profile, (select team from access_token t where t.id = s.token_id) as team`);
    if (row !== null) await appendAudit(tx, { team: row.team ?? '', actor: row.profile ?? 'operator', action: 'session.closed', object: `profile/${row.profile ?? 'operator'}`, result: 'accepted' });
  });
}

/** The teams that somebody who signed in elsewhere is a member of; empty: a stranger. */
export async function rolesOfProfile(connection: Queryable, profile: string): Promise<Readonly<Record<string, Role>>> {
  return connection.oneFirst(sql.type(z.object({ roles: z.record(roleRow) }))`select ${rolesOf(sql.fragment`${profile.toLowerCase()}`)} as roles`);
}

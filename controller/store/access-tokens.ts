/** Access tokens: minted, listed, revoked, recognised. The secret is shown once and kept as a hash. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import { ROLES } from '../model/role.ts';
import type { Role } from '../model/role.ts';
import { Secret } from '../secret.ts';
import { appendAudit } from './audit.ts';
import type { Queryable } from './pool.ts';
import { nothing } from './rows.ts';

/** Tokens of one team, and of one profile without a team, that may be good at a time. */
const MAX_TOKENS = 1_000;

export const roleRow = z.enum(ROLES);
const rolesRow = z.record(roleRow);

const tokenRow = z.object({
  id: z.string(), profile: z.string(), team: z.string().nullable(), role: roleRow, label: z.string(), createdBy: z.string(), createdAt: z.date(), expiresAt: z.date(),
  revokedAt: z.date().nullable(), revokedBy: z.string().nullable(), lastUsedAt: z.date().nullable(), state: z.enum(['active', 'expired', 'revoked']),
});
export type TokenView = z.infer<typeof tokenRow>;

export interface NewToken {
  /** An e-mail address. */
  readonly profile: string;
  /** Null: every team of the profile. */
  readonly team: string | null;
  readonly role: Role;
  readonly label: string;
  readonly lifetimeMs: number;
}

const columns = sql.fragment`id, profile, team, role, label, created_by as "createdBy", created_at as "createdAt", expires_at as "expiresAt", revoked_at as "revokedAt", revoked_by as "revokedBy",
  last_used_at as "lastUsedAt", case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'active' end as state`;

/** The token itself is in the answer and nowhere else. Its role is at most what the profile has in that team: `NotFound` if it has none. */
export async function mintToken(pool: DatabasePool, token: NewToken, actor: string): Promise<{ readonly secret: Secret; readonly token: TokenView }> {
  const id = randomBytes(6).toString('hex');
  const secret = new Secret(`tgb_${id}_${randomBytes(32).toString('base64url')}`);
  const profile = token.profile.toLowerCase();
  return pool.transaction(async (tx) => {
    const known = await tx.exists(sql.unsafe`select 1 from member where email = ${profile} ${token.team === null ? sql.fragment`` : sql.fragment`and team = ${token.team}`}`);
    if (!known) throw new TagboatError('NotFound', `${token.profile} is no member of ${token.team === null ? 'any team' : `team ${token.team}`}`, { hint: 'Members stand in the Team manifest (team.yaml) of the repository.' });
    const active = await tx.oneFirst(sql.type(z.object({ count: z.number() }))`
      select count(*)::int as count from access_token where ${token.team === null ? sql.fragment`team is null and profile = ${profile}` : sql.fragment`team = ${token.team}`} and revoked_at is null and expires_at > now()`);
    if (active >= MAX_TOKENS) throw new TagboatError('Conflict', `there are ${String(active)} tokens already`, { hint: 'Revoke some first.' });
    const row = await tx.one(sql.type(tokenRow)`
      insert into access_token (id, hash, profile, team, role, label, created_by, expires_at)
      values (${id}, ${hashSecret(secret.reveal())}, ${profile}, ${token.team}, ${token.role}, ${token.label}, ${actor}, now() + ${token.lifetimeMs} * interval '1 millisecond')
      returning ${columns}`);
    await appendAudit(tx, { team: token.team ?? '', actor, action: 'token.created', object: `token/${id}`, result: 'accepted', detail: { profile, role: token.role, label: token.label, expiresAt: row.expiresAt.toISOString() } });
    return { secret, token: row };
  });
}

export interface TokenFilter {
  readonly team?: string | undefined;
  readonly profile?: string | undefined;
}

/** The newest first; at most 2,000. */
export async function listTokens(connection: Queryable, { team, profile }: TokenFilter): Promise<readonly TokenView[]> {
  return connection.any(sql.type(tokenRow)`
    select ${columns} from access_token
    where true ${team === undefined ? sql.fragment`` : sql.fragment`and team = ${team}`} ${profile === undefined ? sql.fragment`` : sql.fragment`and profile = ${profile}`}
    order by created_at desc, id limit 2000`);
}

/** Revoking twice changes nothing. `NotFound` if the filter leaves no such token. */
export async function revokeToken(pool: DatabasePool, id: string, { team, profile }: TokenFilter, actor: string): Promise<void> {
  await pool.transaction(async (tx) => {
    const row = await tx.maybeOne(sql.type(z.object({ team: z.string().nullable(), revoked: z.boolean() }))`
      select team, revoked_at is not null as revoked from access_token
      where id = ${id} ${team === undefined ? sql.fragment`` : sql.fragment`and team = ${team}`} ${profile === undefined ? sql.fragment`` : sql.fragment`and profile = ${profile}`} for update`);
    if (row === null) throw new TagboatError('NotFound', `there is no token ${id}`, { hint: '`tagboat token list` shows what there is.' });
    if (row.revoked) return;
    await tx.query(sql.type(nothing)`update access_token set revoked_at = now(), revoked_by = ${actor} where id = ${id}`);
    await tx.query(sql.type(nothing)`delete from web_session where token_id = ${id}`);
    await appendAudit(tx, { team: row.team ?? '', actor, action: 'token.revoked', object: `token/${id}`, result: 'accepted' });
  });
}

/** What a token may do now: its own bounds, and the roles that its profile has at this moment. */
export interface KnownToken {
  readonly id: string;
  readonly profile: string;
  readonly team: string | null;
  readonly role: Role;
  readonly state: 'active' | 'expired' | 'revoked';
  readonly expiresAt: Date;
  readonly roles: Readonly<Record<string, Role>>;
}

const knownRow = z.object({ id: z.string(), hash: z.string(), profile: z.string(), team: z.string().nullable(), role: roleRow, state: z.enum(['active', 'expired', 'revoked']), expiresAt: z.date(), roles: rolesRow, used: z.boolean() });

/** The id in something that has the form of a token; undefined otherwise. */
export function tokenId(text: string): string | undefined {
  return /^tgb_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/.exec(text)?.[1];
}

/** Null for what is no token of ours. An expired or revoked one is told apart, for the audit log; it is good for nothing. */
export async function recogniseToken(connection: Queryable, text: string): Promise<KnownToken | null> {
  const id = tokenId(text);
  if (id === undefined) return null;
  const row = await connection.maybeOne(sql.type(knownRow)`
    select t.id, t.hash, t.profile, t.team, t.role, case when t.revoked_at is not null then 'revoked' when t.expires_at <= now() then 'expired' else 'active' end as state, t.expires_at as "expiresAt",
      ${rolesOf(sql.fragment`t.profile`)} as roles, t.last_used_at >= date_trunc('hour', now()) is true as used
    from access_token t where t.id = ${id}`);
  if (row === null || !timingSafeEqual(Buffer.from(row.hash), Buffer.from(hashSecret(text)))) return null;
  const { hash: _, used, ...known } = row;
  if (known.state === 'active' && !used) await connection.query(sql.type(nothing)`update access_token set last_used_at = date_trunc('hour', now()) where id = ${id}`);
  return known;
}

/** The roles of a profile by team, as JSON. */
export function rolesOf(profile: ReturnType<typeof sql.fragment>): ReturnType<typeof sql.fragment> {
  return sql.fragment`coalesce((select jsonb_object_agg(m.team, m.role) from member m where m.email = ${profile}), '{}')`;
}

/** SHA-256 hex; what is hashed has 256 random bits of its own, so no salt is needed. */
export function hashSecret(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

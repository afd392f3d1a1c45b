/** The certificate authority at rest: one row, sealed by the caller with a key that is not in the database (R27). */
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { z } from 'zod';
import { nothing } from './rows.ts';

export async function loadAuthority(pool: DatabasePool): Promise<Buffer | undefined> {
  const hex = await pool.maybeOneFirst(sql.type(z.object({ sealed: z.string() }))`select encode(sealed, 'hex') as sealed from authority`);
  return hex === null ? undefined : Buffer.from(hex, 'hex');
}

/** Keeps the first authority; a replica that comes second loads that one. Returns what is stored. */
export async function keepAuthority(pool: DatabasePool, sealed: Buffer): Promise<Buffer> {
  await pool.query(sql.type(nothing)`insert into authority (sealed) values (decode(${sealed.toString('hex')}, 'hex')) on conflict do nothing`);
  return (await loadAuthority(pool))!;
}

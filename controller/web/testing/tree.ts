/** A product with many versions: a trunk, maintenance branches off it, a release candidate each, all that people do with tags. */
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { seedDeployment, seedProduct, seedRecord } from './harbour.ts';

export async function seedTree(pool: DatabasePool, team: string, product: string, count: number): Promise<void> {
  const versions: { name: string; kind?: 'rolling'; parent?: string; frozen?: boolean; message?: string }[] = [{ name: 'main', kind: 'rolling' }, { name: 'next/a-branch-with-a-long-name', kind: 'rolling' }];
  let trunk: string | undefined;
  for (let minor = 0; versions.length < count; minor++) {
    const name: string = `${String(Math.floor(minor / 10) + 1)}.${String(minor % 10)}.0`;
    versions.push({ name, ...(trunk !== undefined && { parent: trunk }), frozen: minor % 3 !== 2, message: `Release ${name}\n\n- what is new in ${name}` });
    // Fixes of an older version, while the trunk goes on.
    if (minor % 4 === 1) for (let fix = 1; fix <= 3; fix++) versions.push({ name: name.replace(/0$/, String(fix)), parent: name.replace(/0$/, String(fix - 1)), frozen: fix < 3, message: `Fix ${String(fix)}` });
    trunk = name;
  }
  versions.length = Math.min(versions.length, count);
  await seedProduct(pool, team, product, versions);
  for (const [deployment, node, past] of [['production', 'harbor', ['1.9.0', '2.0.0', '2.3.0', '2.6.0']], ['staging', 'lighthouse', ['2.9.0', '2.8.0']]] as const) {
    const name = `${product}-${deployment}`;
    await seedDeployment(pool, team, { name, node, product, version: past.at(-1) ?? '' });
    for (const [index, version] of past.entries()) {
      const last = index === past.length - 1;
      await seedRecord(pool, team, { deployment: name, node, product, version, status: last ? 'successful' : 'obsolete', live: last, attempt: 'succeeded' });
    }
  }
  await pool.query(sql.unsafe`update record set status = 'downgraded' where team = ${team} and deployment = ${`${product}-staging`} and version = '2.9.0'`);
}

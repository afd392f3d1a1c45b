/** Reviews of team `acme`, for tests of pages: one with everything, one that is broken, one that was merged. */
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import type { Action, Plan } from '../../plan/types.ts';
import { enqueue } from '../../store/outbox.ts';
import { saveReview } from '../../store/reviews.ts';

const oid = (letter: string): string => letter.repeat(40);

const ACTION: Action = {
  kind: 'deploy', deployment: 'shop-staging', node: 'lighthouse', prefix: 'shop-staging', product: 'shop', from: '1.2.0', to: '1.10.0', reason: '1.10.0 takes the place of 1.2.0',
  changes: [
    { image: 'web', path: 'image', from: 'ghcr.io/acme/shop-web:1.2.0', to: 'ghcr.io/acme/shop-web:1.10.0' },
    { image: 'web', path: 'config.environment.WORKERS', from: '2', to: '4' },
    { image: 'db', path: 'config.secrets.PASSWORD', from: 'sealed 0123456789ab', to: 'sealed ba9876543210' },
  ],
  strategies: [
    { image: 'db', strategy: 'recreate', reason: 'volume data is written by one container at a time; there is a gap between stopping the old container and the new one being healthy' },
    { image: 'web', strategy: 'start-first', reason: 'nothing of the node is held by one container alone; the old one serves until the new one is healthy' },
  ],
  statusChanges: [{ recordId: null, version: '1.10.0', from: null, to: 'successful', reason: 'when every container is healthy' }, { recordId: 2, version: '1.2.0', from: 'successful', to: 'obsolete', reason: 'a newer version was deployed (R16)' }],
  waitsFor: ['shop-production'], waitsBecause: 'shop-production has port 80/tcp of the node until its own attempt has succeeded', recordId: null, adoptsFrom: null, supersedes: null, removesVolumes: false, tries: 1, specHash: 'f00',
};
const REMOVAL: Action = { ...ACTION, kind: 'remove', deployment: 'docs', node: 'pier', prefix: 'docs', from: '1.1.0', to: null, reason: 'its manifest is gone', changes: [], strategies: [], statusChanges: [], waitsFor: [], waitsBecause: '' };
const PLAN: Plan = { team: 'acme', commit: oid('a'), hash: 'c0ffee'.repeat(10).slice(0, 60), actions: [ACTION, REMOVAL], problems: [], notes: ['pier/docs waits: node pier is unreachable'] };

export async function seedReviews(pool: DatabasePool): Promise<void> {
  const row = (number: number, title: string, plan: Plan) => ({ ref: `pull/${String(number)}`, gitRef: `refs/pull/${String(number)}/head`, number, head: oid('a'), base: oid('b'), method: 'files', title, author: 'Ann Example', plan, scope: ['docs', 'shop-staging'], digests: {} });
  await saveReview(pool, 'acme', row(17, 'Release 1.10.0 to staging', PLAN));
  const broken = { code: 'SchemaViolation', severity: 'error', file: 'deployments/docs.yaml', line: 7, column: 3, message: 'colour is not a known key', hint: 'See the schema of this kind for the allowed keys and values.' } as const;
  const conflict = { ...broken, code: 'MergeConflict', severity: 'warning', file: 'README.md', line: 0, column: 0, message: 'both main and the request changed the file since they parted' } as const;
  await saveReview(pool, 'acme', row(16, '<script>alert(1)</script> `x` | y', { ...PLAN, actions: [], notes: [], problems: [broken, conflict] }));
  await saveReview(pool, 'acme', row(12, 'More workers', PLAN));
  await pool.query(sql.unsafe`update review set state = 'merged', merged_at = now(), merged_commit = ${oid('d')}, outcome = 'replanned', executed_hash = 'fade',
    difference = '{"added": ["shop-production on harbor/shop"], "gone": [], "changed": ["shop-staging on lighthouse/shop-staging"]}' where ref = 'pull/12'`);
  await enqueue(pool, 'acme', 'pull/17', { kind: 'comment', number: 17, branch: null, body: 'Plan' });
  await enqueue(pool, 'acme', 'pull/17', { kind: 'status', commit: oid('a'), state: 'success', context: 'tagboat/acme', description: 'x', url: 'https://tagboat.example.org/' });
  await pool.query(sql.unsafe`update outbox set state = 'failed', tries = 10, last_error = 'ForgeRefused: POST https://api.github.com/repos/acme/x/statuses/a: status 403: Resource not accessible. Check the address and the token in reviews.' where kind = 'status'`);
  await pool.query(sql.unsafe`update team set reviews_cut = 12 where name = 'acme'`);
}

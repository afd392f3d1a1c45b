/** Planning and reviewing one changed file in a repository of 10,000 manifests: time, files read, files parsed. Requests to the Git server are taken out. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Mirror } from '../git/mirror.ts';
import { parseRemote } from '../git/remote.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import { asIfDeployed } from '../plan/as-if-deployed.ts';
import { plan } from '../plan/plan.ts';
import type { Reading } from '../reconcile/read-repository.ts';
import { RepositoryReader } from '../reconcile/read-repository.ts';
import { examine } from '../reconcile/reviews/examine.ts';
import { planReview } from '../reconcile/reviews/plan-review.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';

const PRODUCTS = 100;
const DEPLOYMENTS = 9_795;
const CHANGES = 10;

function document(kind: string, name: string, spec: string): string {
  return `apiVersion: tagboat/v1\nkind: ${kind}\nmetadata: { name: ${name} }\nspec: ${spec}\n`;
}

function deploymentFile(index: number, value: string): Record<string, string> {
  return { [`deployments/g${index % 100}/d${index}.yaml`]: document('Deployment', `d${index}`, `{ product: p${index % PRODUCTS}, node: n${index % 5}, prefix: d${index}, environment: { VALUE: "${value}" } }`) };
}

const files: Record<string, string> = {};
for (let index = 0; index < 5; index++) files[`nodes/n${index}.yaml`] = document('Node', `n${index}`, '{ type: docker }');
for (let index = 0; index < PRODUCTS; index++) {
  files[`products/p${index}/product.yaml`] = document('Product', `p${index}`, '{ type: complex }');
  files[`products/p${index}/version.yaml`] = document('Version', `p${index}`, '{ images: [ { name: web, image: "acme/web:1" }, { name: db, image: "acme/db:1" } ] }');
}
for (let index = 0; index < DEPLOYMENTS; index++) Object.assign(files, deploymentFile(index, 'first'));

const repository = await TestRepository.create('acme');
await repository.commit(files, 'all');
const server = await GitServer.start({ root: join(repository.directory, '..') });
const directory = mkdtempSync(join(tmpdir(), 'tagboat-bench-'));
const remote = parseRemote(`${server.url}/acme.git`);
let requestMs = 0;
const onRequest = (request: { ms: number }): void => void (requestMs += request.ms);
const mirror = await Mirror.open({ directory, remote, onRequest });
const cache = new ParseCache();
const reader = new RepositoryReader({ team: 'acme', remote, branch: 'main', directory: '', mirror, cache, onRequest, frozen: async () => new Map(), owners: async () => new Map() });
const signal = new AbortController().signal;

const begun = performance.now();
let reading: Reading = await reader.read(undefined, signal);
const firstMs = performance.now() - begun;
const rows: { readMs: number; planMs: number; parsed: number; actions: number }[] = [];
for (let change = 0; change < CHANGES; change++) {
  const recorded = asIfDeployed(reading.desired, []);
  await repository.commit(deploymentFile(change * 37, `changed ${change}`), `change ${change}`);
  const { parses } = cache.statistics;
  requestMs = 0;
  const start = performance.now();
  const next = await reader.read(reading, signal);
  const readMs = performance.now() - start - requestMs;
  const planStart = performance.now();
  const changed = new Set([...next.desired.deployments].filter(([name, item]) => reading.desired.deployments.get(name) !== item).map(([name]) => name));
  const result = plan(next.desired, recorded, { nodes: new Map(), drift: new Map() }, changed);
  rows.push({ readMs, planMs: performance.now() - planStart, parsed: cache.statistics.parses - parses, actions: result.actions.length });
  reading = next;
}

const line = await mirror.line(reading.commit);
const reviews: { ms: number; parsed: number; actions: number }[] = [];
for (let number = 1; number <= CHANGES; number++) {
  const head = await repository.commit(deploymentFile(number * 41, `requested ${number}`), `request ${number}`, { branch: 'topic', from: reading.commit });
  await mirror.fetchBeside([{ ref: `refs/pull/${number}/head`, oid: head }], { maxBytes: 1_048_576 });
  const { parses } = cache.statistics;
  const start = performance.now();
  const request = { ref: `pull/${number}`, gitRef: `refs/pull/${number}/head`, number, head, merge: null };
  const examined = await examine({ mirror, cache, directory: '', reader, branch: 'main' }, request, reading, reader.head!, line, signal);
  const made = planReview(examined, asIfDeployed(reading.desired, []), { nodes: new Map(), drift: new Map() });
  reviews.push({ ms: performance.now() - start, parsed: cache.statistics.parses - parses, actions: made.plan.actions.length });
}
const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
console.table({
  'first reading of 10,000 manifests, ms': { value: Math.round(firstMs), goal: '' },
  'one change: diff, parse, resolve, check, ms': { value: Number(median(rows.map((row) => row.readMs)).toFixed(1)), goal: '' },
  'one change: plan, ms': { value: Number(median(rows.map((row) => row.planMs)).toFixed(1)), goal: '' },
  'one change: both, ms': { value: Number(median(rows.map((row) => row.readMs + row.planMs)).toFixed(1)), goal: 'under 50' },
  'files parsed for one change': { value: Math.max(...rows.map((row) => row.parsed)), goal: '1' },
  'one request: merge, parse, resolve, check, plan, ms': { value: Number(median(reviews.map((review) => review.ms)).toFixed(1)), goal: '' },
  'files parsed, actions for one request': { value: `${Math.max(...reviews.map((review) => review.parsed))}, ${Math.max(...reviews.map((review) => review.actions))}`, goal: '1, 1' },
  'actions for one change': { value: Math.max(...rows.map((row) => row.actions)), goal: '1' },
});
await mirror.close();
await server.close();
await repository.remove();
rmSync(directory, { recursive: true });

// @timeout 600
/** What is taken over from the reading before is what a reading without one would say: random histories, each commit read both ways. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Mirror } from '../git/mirror.ts';
import { parseRemote } from '../git/remote.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import type { StoredVersion } from '../store/versions.ts';
import { TestRepository } from '../testing/git-repository.ts';
import { GitServer } from '../testing/git-server.ts';
import type { Reading, ReaderOptions } from './read-repository.ts';
import { RepositoryReader } from './read-repository.ts';

const test = suite('taking over from the reading before');
const SIGNAL = new AbortController().signal;
const HISTORIES = 12;

function document(kind: string, name: string, spec: string): string {
  return `apiVersion: tagboat/v1\nkind: ${kind}\nmetadata: { name: ${name} }\nspec: ${spec}\n`;
}
function deployment(index: number, more: string): string {
  return document('Deployment', `d${index}`, `{ node: n${index % 2}, ${more} }`);
}
function version(tag: string): string {
  return document('Version', 'p0', `{ images: [ { name: web, image: "acme/web:${tag}" } ] }`);
}

const BASE: Record<string, string> = {
  'n0.yaml': document('Node', 'n0', '{ type: docker }'),
  'n1.yaml': document('Node', 'n1', '{ type: docker }'),
  'p0.yaml': document('Product', 'p0', '{ type: complex, rolling: { branches: [ main, "release/*" ] } }'),
  'p1.yaml': document('Product', 'p1', '{ type: simple }'),
  'v0.yaml': version('1'),
  'v1.yaml': document('Version', 'p1', '{ bundles: [ b ], images: [ { name: web, image: "acme/web:1" } ] }'),
  'b.yaml': document('ConfigBundle', 'b', '{ environment: { A: "1" } }'),
  ...Object.fromEntries([0, 1, 2, 3, 4, 5].map((index) => [`d${index}.yaml`, deployment(index, `product: p${index % 2}, prefix: d${index}`)])),
  'd2.yaml': deployment(2, 'product: p0, prefix: d2, branch: release/1'),
  'd4.yaml': deployment(4, 'product: p0, prefix: d4, version: 1.0.0'),
  // Two in one file.
  'twins.yaml': `${deployment(6, 'product: p0, prefix: d6')}---\n${deployment(7, 'product: p1, prefix: d7')}`,
};

/** Good and bad ways to write a deployment. */
const SPECS = [
  (index: number) => `product: p${index % 2}, prefix: d${index}`,
  (index: number) => `product: p${index % 2}, prefix: d${index}, environment: { B: "2" }`,
  (index: number) => `product: p0, prefix: d${index}, version: 1.0.0`,
  (index: number) => `product: p0, prefix: d${index}, version: 2.0.0`,
  (index: number) => `product: p0, prefix: d${index}, branch: release/1`,
  (index: number) => `product: p0, prefix: d${index}, branch: other`,
  (index: number) => `product: p1, prefix: d${index}, version: 1.0.0`,
  (index: number) => `product: p1, prefix: d${index}, bundles: [ b ], config: { environment: { A: "1" } }`,
  (index: number) => `product: p0, prefix: d${index % 4}`,
  (index: number) => `product: p0, prefix: d${index}, dependsOn: [ d${1 - (index % 2)} ]`,
  (index: number) => `product: p0, prefix: d${index}, dependsOn: [ nobody ]`,
  (index: number) => `product: p0, prefix: d${index}, config: { expose: http, ports: [ { internal: 80 } ], routing: { domain: shop.example.org, port: 80 } }`,
  (index: number) => `product: p1, prefix: d${index}, config: { expose: http, ports: [ { internal: 80 } ], routing: { domain: "${index}.example.org", port: 80 } }`,
  (index: number) => `product: nothing, prefix: d${index}`,
  (index: number) => `product: p0, prefix: d${index}, unknown: true`,
];

const index = fc.nat({ max: 5 });
const spec = fc.nat({ max: SPECS.length - 1 });
type Step = Readonly<Record<string, string | null>> | { readonly tag: string; readonly at: string } | { readonly untag: string } | { readonly branch: string };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(index, spec).map(([at, how]): Step => ({ [`d${at}.yaml`]: deployment(at, SPECS[how]!(at)) })) },
  { weight: 1, arbitrary: fc.tuple(index, spec, index, spec).map(([at, how, other, otherHow]): Step => ({ [`d${at}.yaml`]: deployment(at, SPECS[how]!(at)), [`d${other}.yaml`]: deployment(other, SPECS[otherHow]!(other)) })) },
  { weight: 2, arbitrary: spec.map((how): Step => ({ 'twins.yaml': `# moved\n${deployment(6, SPECS[how]!(6))}---\n${deployment(7, 'product: p1, prefix: d7')}` })) },
  { weight: 1, arbitrary: fc.constant<Step>({ 'twins.yaml': `${deployment(7, 'product: p1, prefix: d7')}---\n${deployment(6, 'product: p0, prefix: d6')}` }) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1).map((at): Step => ({ [`d${at}.yaml`]: deployment(at, `product: p0, prefix: d${at}, dependsOn: [ d${1 - at} ]`) })) },
  { weight: 1, arbitrary: index.map((at): Step => ({ [`d${at}.yaml`]: null })) },
  { weight: 1, arbitrary: index.map((at): Step => ({ [`extra${at}.yaml`]: deployment(at, `product: p0, prefix: extra${at}`) })) },
  { weight: 1, arbitrary: fc.nat({ max: 3 }).map((tag): Step => ({ 'v0.yaml': version(String(tag)) })) },
  { weight: 1, arbitrary: fc.constantFrom('2', '3').map((value): Step => ({ 'b.yaml': document('ConfigBundle', 'b', `{ environment: { A: "${value}" } }`) })) },
  { weight: 1, arbitrary: fc.constantFrom('b.yaml', 'n1.yaml', 'v1.yaml', 'p1.yaml').map((path): Step => ({ [path]: null })) },
  { weight: 1, arbitrary: fc.constantFrom('b.yaml', 'n1.yaml', 'v1.yaml', 'p1.yaml').map((path): Step => ({ [path]: BASE[path]! })) },
  { weight: 1, arbitrary: fc.constant<Step>({ 'broken.yaml': 'a: [' }) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom('p0/1.0.0', 'p0/2.0.0', 'p1/1.0.0'), fc.constantFrom('main', 'release/1')).map(([tag, at]): Step => ({ tag, at: `refs/heads/${at}` })) },
  { weight: 1, arbitrary: fc.constantFrom('p0/1.0.0', 'p0/2.0.0').map((untag): Step => ({ untag })) },
  { weight: 2, arbitrary: fc.constantFrom('release/1', 'other').map((branch): Step => ({ branch })) },
);

async function take(repository: TestRepository, one: Step, number: number): Promise<void> {
  if ('tag' in one && typeof one.tag === 'string') await repository.tag(one.tag, one.at ?? undefined, { force: true });
  else if ('untag' in one && typeof one.untag === 'string') await repository.deleteTag(one.untag);
  else if ('branch' in one && typeof one.branch === 'string') await repository.commit({ 'v0.yaml': version(`branch-${number}`) }, 'on a branch', { branch: one.branch });
  else await repository.commit(one as Record<string, string | null>);
}

/** Everything in its order, so that a difference of order shows, too; without the commit that an unchanged version was first seen at (R6). */
function said({ desired, problems, versions, dependents, watched }: Reading): unknown {
  const deployments = [...desired.deployments].map(([name, { version, ...rest }]) => [name, { ...rest, version: { ...version, commit: '', content: { ...version.content, commit: '' } } }]);
  return JSON.stringify({ ...desired, deployments, blocked: [...desired.blocked], problems, versions, dependents: [...dependents], watched }, undefined, 1);
}

test('a reading after another says what a first reading says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), fc.array(fc.boolean(), { minLength: 14, maxLength: 14 }), async (steps, freezes) => {
      const repository = await TestRepository.create('acme');
      const first = await repository.commit(BASE, 'first');
      await repository.commit({ 'v0.yaml': version('release') }, 'a branch', { branch: 'release/1', from: first });
      await repository.tag('p0/1.0.0');
      const server = await GitServer.start({ root: join(repository.directory, '..') });
      const directory = mkdtempSync(join(tmpdir(), 'tagboat-taken-'));
      const remote = parseRemote(`${server.url}/acme.git`);
      const mirror = await Mirror.open({ directory, remote });
      const frozen = new Map<string, StoredVersion>();
      const options: ReaderOptions = { team: 'acme', remote, branch: 'main', directory: '', mirror, cache: new ParseCache(), frozen: async () => frozen, owners: async () => new Map([['n0/d2', 'd0'], ['n0/d4', 'd4'], ['n1/d3', 'd3']]) };
      try {
        const reader = new RepositoryReader(options);
        let reading = await reader.read(undefined, SIGNAL);
        for (const [number, one] of steps.entries()) {
          await take(repository, one, number);
          reading = await reader.read(reading, SIGNAL);
          assert.is(said(reading), said(await new RepositoryReader(options).read(undefined, SIGNAL)), `after step ${number + 1}`);
          const version = reading.versions.find(({ kind, name, product }) => kind === 'incremental' && name === '1.0.0' && product === 'p0');
          const deployed = [...reading.desired.deployments.values()].find((item) => item.version.kind === 'incremental' && item.version.name === '1.0.0');
          if (freezes[number] === true && version !== undefined && deployed !== undefined && !frozen.has('p0/1.0.0')) {
            frozen.set('p0/1.0.0', { id: 1, product: 'p0', kind: 'incremental', name: '1.0.0', commit: version.commit, tagObject: version.tagObject, frozen: deployed.version.content } as StoredVersion);
          }
        }
      } finally {
        await mirror.close();
        await server.close();
        await repository.remove();
        rmSync(directory, { recursive: true });
      }
    }),
    { numRuns: HISTORIES, includeErrorInReport: true },
  );
});

test.run();

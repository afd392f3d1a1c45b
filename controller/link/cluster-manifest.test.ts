import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import { parseAllDocuments } from 'yaml';
import { clusterAgentManifest } from './cluster-manifest.ts';
import { CLUSTER_RIGHTS } from './cluster-rights.ts';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly [key: string]: unknown;
}

const JOIN = 'tagboat-join:c4n4ry';
const text = (team: string, node: string, join = JOIN): string => clusterAgentManifest({ team, node, image: 'tagboat:1', join, expiresAt: new Date('2026-01-01T00:15:00Z') });
const documents = (yaml: string): Manifest[] => parseAllDocuments(yaml).map((document) => document.toJS() as Manifest);

const test = suite('the manifest of an agent in a cluster');

test('is all that is needed, in the order in which it can be applied', () => {
  const all = documents(text('acme', 'harbor'));
  assert.equal(all.map((one) => one.kind), ['Namespace', 'ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Secret', 'Deployment']);
  assert.equal(all.find((one) => one.kind === 'ClusterRole')!['rules'], CLUSTER_RIGHTS);
  assert.ok(all.every((one) => one.kind === 'Namespace' || one.kind.startsWith('Cluster') || one.metadata.namespace === 'tagboat-system'));
  assert.match(text('acme', 'harbor'), /^# The agent of node harbor of team acme\..*2026-01-01T00:15:00/);
});

test('holds the word that lets in in its Secret alone', () => {
  const yaml = text('acme', 'harbor');
  assert.is(yaml.split(JOIN).length, 2);
  assert.equal(documents(yaml).find((one) => one.kind === 'Secret')!['stringData'], { join: JOIN });
});

test('gives the agent no privileges on its machine', () => {
  const deployment = documents(text('acme', 'harbor')).at(-1) as unknown as { spec: { strategy: { type: string }; template: { spec: { securityContext: { runAsNonRoot: boolean }; containers: { securityContext: object }[] } } } };
  assert.is(deployment.spec.strategy.type, 'Recreate', 'two agents with one identity would take the line from each other');
  assert.is(deployment.spec.template.spec.securityContext.runAsNonRoot, true);
  assert.equal(deployment.spec.template.spec.containers[0]!.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
});

test('starts the agent anew with a new word, and only then', () => {
  const template = (join: string): unknown => (documents(text('acme', 'harbor', join)).at(-1) as unknown as { spec: { template: unknown } }).spec.template;
  assert.equal(template('one'), template('one'));
  assert.not.equal(template('one'), template('two'));
});

test('names stay apart and short, whatever teams and nodes are called', () => {
  const long = 'a'.repeat(63);
  const names = [['a-b', 'c'], ['a', 'b-c'], ['a', 'b'], [long, long], [long, `${'a'.repeat(62)}b`]].map(([team, node]) => documents(text(team!, node!)).map((one) => one.metadata));
  assert.is(new Set(names.map((all) => all[1]!.name)).size, names.length);
  for (const all of names) {
    for (const { name, labels } of all) {
      assert.match(name, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
      for (const [key, value] of Object.entries(labels ?? {})) {
        assert.match(value, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
        assert.not.match(key, /tagboat\.dev/, 'an agent looks for such labels to know what it deployed');
      }
    }
  }
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerConfig, TargetSpec } from '../../schemas/gen/types.ts';
import { planAsText } from './explain.ts';
import { plan } from './plan.ts';
import { specHashOf } from './spec-hash.ts';
import type { BlockedDeployment, Desired, DesiredDeployment, Plan, Recorded, RecordedTarget, TargetKey } from './types.ts';
import { targetKey } from './types.ts';

const test = suite('what one deployment lets go and another takes');
const PORT: ContainerConfig = { ports: [{ internal: 8080, external: 80 }] };
const OTHER: ContainerConfig = { ports: [{ internal: 8080, external: 81 }] };

function spec(config: ContainerConfig): TargetSpec {
  return {
    specVersion: 1, team: 'acme', deployment: 'x', product: 'shop', version: 'main', versionKind: 'rolling', node: 'harbor', prefix: 'x',
    images: [{ name: 'web', image: 'web:1', dependsOn: [], config, strategy: 'recreate' }], timeouts: { attempt: '10m', pull: '5m', health: '2m' }, selfHeal: false,
  };
}

/** Its prefix is its name. */
function wanted(name: string, config: ContainerConfig, more: Partial<DesiredDeployment> = {}): DesiredDeployment {
  const content = spec(config);
  return {
    name, product: 'shop', node: 'harbor', prefix: name, spec: content, specHash: specHashOf(content), overridesHash: 'none', attemptKey: specHashOf(content),
    version: { kind: 'rolling', name: 'main', commit: 'c1', frozen: false, content: { commit: 'c1', tagObject: null, images: [], files: {} } },
    dependsOn: [], protected: false, removeVolumes: false, selfHeal: false, retries: 0, strategies: [], timeoutMs: 1_000, oneNetwork: true, ...more,
  };
}

let ids = 0;
/** What serves; `prefix`: the name. */
function serving(deployment: string, config: ContainerConfig, more: Partial<RecordedTarget> = {}): RecordedTarget {
  const [id, hash] = [++ids, specHashOf(spec(config))];
  const record = { id, versionId: 1, product: 'shop', version: 'main', versionKind: 'rolling', status: 'successful', restingStatus: null, specHash: hash, overridesHash: 'none', goodSpecHash: hash, attemptKey: hash, failures: 0 } as const;
  return { node: 'harbor', prefix: deployment, deployment, protected: false, removeVolumes: false, liveRecordId: id, liveSpec: spec(config), records: [record], openAttempt: null, restored: true, recentHeals: 0, ...more };
}

function planned(deployments: readonly DesiredDeployment[], targets: readonly RecordedTarget[], more: Partial<Desired> = {}, only?: readonly string[]): Plan {
  const desired: Desired = { team: 'acme', commit: 'c0ffee', deployments: new Map(deployments.map((one) => [one.name, one])), blocked: new Map(), mayRemove: true, keepReason: '', ...more };
  const recorded: Recorded = { targets: new Map(targets.map((one): [TargetKey, RecordedTarget] => [targetKey(one.node, one.prefix), one])), versions: [{ id: 1, product: 'shop', kind: 'rolling', name: 'main' }], parents: new Map([[1, null]]), goodSpec: () => null };
  return plan(desired, recorded, { nodes: new Map(), drift: new Map() }, only === undefined ? undefined : new Set(only));
}

const said = ({ actions }: Plan): string[] => actions.map(({ kind, deployment, waitsFor }) => `${kind} ${deployment}${waitsFor.length === 0 ? '' : ` after ${waitsFor.join(' ')}`}`);

test('the taker waits for who lets go, by an update or by a removal, and says for what', () => {
  for (const [holding, what] of [[PORT, 'port 80/tcp of the node'], [{ portRanges: [{ internal: { from: 1, to: 9 }, external: { from: 78, to: 86 } }] }, 'port 80/tcp of the node']] as const) {
    const update = planned([wanted('old', {}), wanted('new', PORT)], [serving('old', holding as ContainerConfig)]);
    assert.equal(said(update), ['deploy new after old', 'deploy old']);
    assert.match(planAsText(update, 'x'), `waits for old: old has ${what} until its own attempt has succeeded`);
    const removal = planned([wanted('new', PORT)], [serving('old', holding as ContainerConfig)]);
    assert.equal(said(removal), ['deploy new after old', 'remove old']);
    assert.match(planAsText(removal, 'x'), `waits for old: old has ${what} until it is removed`);
  }
  const route = (domain: string, path?: string): ContainerConfig => ({ expose: 'http', routing: { domain, ...(path !== undefined && { path }) } });
  const domain = planned([wanted('old', route('shop.example.org', '/old')), wanted('new', route('Shop.example.org'))], [serving('old', route('shop.example.org', '/'))]);
  assert.equal(said(domain), ['deploy new after old', 'deploy old']);
  assert.match(domain.actions[0]!.waitsBecause, 'the address shop.example.org/ until');
});

test('nobody waits for what is no longer there, what stays, or what another host has', () => {
  const free = (deployments: readonly DesiredDeployment[], targets: readonly RecordedTarget[], more?: Partial<Desired>): void => assert.equal(planned([...deployments, wanted('new', PORT)], targets, more).actions.find(({ deployment }) => deployment === 'new')?.waitsFor, []);
  free([wanted('old', {})], [serving('old', {})]);
  free([wanted('old', OTHER)], [serving('old', OTHER)]);
  free([wanted('old', PORT)], [serving('old', PORT)]);
  free([wanted('old', { ...PORT, environment: { A: 'b' } })], [serving('old', PORT)]);
  free([wanted('old', {})], [serving('old', { ...PORT, replicas: 0 })]);
  free([wanted('old', {})], [serving('old', { ports: [{ internal: 80, external: 80, protocol: 'udp' }] })]);
  free([wanted('old', {}, { node: 'pier' })], [serving('old', PORT, { node: 'pier' })]);
  free([], [serving('old', PORT, { protected: true })]);
  const blocked: BlockedDeployment = { name: 'old', product: 'shop', version: 'main', node: 'harbor', prefix: 'old', problems: [] };
  free([], [serving('old', PORT)], { blocked: new Map([['old', blocked]]) });
  assert.equal(said(planned([wanted('old', {}), wanted('new', PORT, { oneNetwork: false })], [serving('old', PORT)])), ['deploy new', 'deploy old'], 'a cluster gives each its own');
});

test('it goes on waiting while who lets go is under way, has failed for good, or may not be removed yet', () => {
  const two = [wanted('old', {}), wanted('new', PORT)];
  const old = serving('old', PORT);
  const running = { ...old, openAttempt: { id: 1, kind: 'deploy', state: 'running', recordId: old.records[0]!.id, attemptKey: two[0]!.attemptKey, cancelRequested: false } } as const;
  assert.equal(said(planned(two, [running])), ['deploy new after old']);
  const failed = { ...old, records: [{ ...old.records[0]!, status: 'failed' as const, attemptKey: two[0]!.attemptKey, failures: 1 }] };
  assert.equal(said(planned(two, [failed])), ['deploy new after old', 'hold old']);
  assert.equal(said(planned([two[1]!], [old], { mayRemove: false, keepReason: 'the repository has a problem' })), ['deploy new after old', 'hold old']);
});

test('it waits for a deployment that goes to another node, and for one that was renamed', () => {
  assert.equal(said(planned([wanted('old', PORT, { node: 'pier' }), wanted('new', PORT)], [serving('old', PORT)])), ['deploy new after old', 'deploy old', 'hold old after old']);
  assert.equal(said(planned([wanted('renamed', {}, { prefix: 'old' }), wanted('new', PORT)], [serving('old', PORT)])), ['deploy new after renamed', 'deploy renamed']);
});

test('a chain goes link by link, a circle does not go and says so', () => {
  const third: ContainerConfig = { ports: [{ internal: 1, external: 82 }] };
  assert.equal(said(planned([wanted('a', OTHER), wanted('b', third), wanted('c', PORT)], [serving('a', PORT), serving('b', OTHER)])), ['deploy a after b', 'deploy b', 'deploy c after a']);
  const swap = planned([wanted('a', OTHER), wanted('b', PORT)], [serving('a', PORT), serving('b', OTHER)]);
  assert.equal(said(swap), ['blocked a after b', 'blocked b after a']);
  assert.is(swap.actions[0]!.reason, 'it would take port 81/tcp of the node from b, which itself waits for a: neither can go first. Let one of them let go in one commit, and take it in the next');
  const round = planned([wanted('a', OTHER), wanted('b', third), wanted('c', PORT)], [serving('a', PORT), serving('b', OTHER), serving('c', third)]);
  assert.equal(said(round), ['blocked a after b', 'blocked b after c', 'blocked c after a']);
  assert.match(round.actions[0]!.reason, 'from b, which itself waits for c, which waits for a: neither can go first');
});

test('who takes from what depends on it does not go, and what it takes is not waited for by itself', () => {
  const circle = planned([wanted('old', {}, { dependsOn: ['new'] }), wanted('new', PORT)], [serving('old', PORT), serving('new', {})]);
  assert.equal(said(circle), ['blocked new after old', 'deploy old after new']);
  // What it depends on is live: it waits for nobody, whoever that depends on.
  const through = [wanted('old', {}, { dependsOn: ['between'] }), wanted('between', {}, { dependsOn: ['new'] }), wanted('new', PORT)];
  const targets = [serving('old', PORT), serving('between', {}), serving('new', {})];
  assert.equal(said(planned(through, targets)), ['deploy new after old', 'deploy old']);
  assert.equal(said(planned(through, targets.filter(({ deployment }) => deployment !== 'between'), {}, ['new'])), ['deploy new after old'], 'nor does what was not read count');
  assert.equal(said(planned([wanted('new', PORT), wanted('db', {}, { prefix: 'db' }), wanted('old', {})].map((one) => (one.name === 'new' ? { ...one, dependsOn: ['db', 'old'] } : one)), [serving('old', PORT)])), ['deploy db', 'deploy new after db old', 'deploy old']);
});

test('a part of the plan is the plan of that part', () => {
  const two = [wanted('old', {}), wanted('new', PORT)];
  const targets = [serving('old', PORT)];
  const whole = planned(two, targets).actions;
  for (const name of ['old', 'new']) assert.equal(planned(two, targets, {}, [name]).actions, whole.filter(({ deployment }) => deployment === name));
});

test.run();

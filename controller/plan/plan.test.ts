import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import fc from 'fast-check';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { planAsMarkdown, planAsText } from './explain.ts';
import { diffSpecs } from './diff.ts';
import { MAX_HEALS, plan } from './plan.ts';
import { specHashOf } from './spec-hash.ts';
import type { Desired, DesiredDeployment, Observed, Recorded, RecordedRecord, RecordedTarget, TargetKey } from './types.ts';
import { targetKey } from './types.ts';

const QUIET: Observed = { nodes: new Map(), drift: new Map() };

function spec(image: string, config: TargetSpec['images'][number]['config'] = {}): TargetSpec {
  return {
    specVersion: 1, team: 'acme', deployment: 'shop', product: 'shop', version: 'main', versionKind: 'rolling', node: 'harbor', prefix: 'shop',
    images: [{ name: 'web', image, dependsOn: [], config, strategy: 'start-first' }],
    timeouts: { attempt: '10m', pull: '5m', health: '2m' }, selfHeal: false,
  };
}

function wanted(name: string, image: string, more: Partial<DesiredDeployment> = {}): DesiredDeployment {
  const content = spec(image);
  return {
    name, product: 'shop', node: 'harbor', prefix: 'shop', spec: content, specHash: specHashOf(content), overridesHash: 'none', attemptKey: specHashOf(content),
    version: { kind: 'rolling', name: 'main', commit: 'c1', frozen: false, content: { commit: 'c1', tagObject: null, images: [], files: {} } },
    dependsOn: [], protected: false, removeVolumes: false, selfHeal: false, retries: 2, strategies: [{ image: 'web', strategy: 'start-first', reason: 'alone' }], timeoutMs: 1_000, oneNetwork: true,
    ...more,
  };
}

function incremental(name: string, version: string, image: string, more: Partial<DesiredDeployment> = {}): DesiredDeployment {
  const base = wanted(name, image, more);
  return { ...base, version: { ...base.version, kind: 'incremental', name: version } };
}

function desired(deployments: readonly DesiredDeployment[], more: Partial<Desired> = {}): Desired {
  return { team: 'acme', commit: 'c0ffee', deployments: new Map(deployments.map((item) => [item.name, item])), blocked: new Map(), mayRemove: true, keepReason: '', ...more };
}

function record(id: number, version: string, status: RecordedRecord['status'], image: string, more: Partial<RecordedRecord> = {}): RecordedRecord {
  const hash = specHashOf(spec(image));
  return { id, product: 'shop', versionId: id, version, versionKind: 'rolling', status, restingStatus: null, specHash: hash, overridesHash: 'none', goodSpecHash: status === 'failed' ? null : hash, attemptKey: hash, failures: 0, ...more };
}

function target(deployment: string, live: number | null, records: readonly RecordedRecord[], more: Partial<RecordedTarget> = {}): RecordedTarget {
  return { node: 'harbor', prefix: 'shop', deployment, protected: false, removeVolumes: false, liveRecordId: live, liveSpec: live === null ? null : spec('old:1'), records, openAttempt: null, restored: true, recentHeals: 0, ...more };
}

function recorded(targets: readonly RecordedTarget[], parents: readonly [number, number | null][] = []): Recorded {
  return {
    targets: new Map(targets.map((item): [TargetKey, RecordedTarget] => [targetKey(item.node, item.prefix), item])),
    versions: targets.flatMap((item) => item.records.map((one) => ({ id: one.versionId, product: 'shop', kind: one.versionKind, name: one.version }))),
    parents: new Map(parents),
    goodSpec: (id) => spec(`recorded:${id}`),
  };
}

const test = suite('plan');

test('a new manifest is deployed, and says that nothing served', () => {
  const [action, ...rest] = plan(desired([wanted('shop', 'web:1')]), recorded([]), QUIET).actions;
  assert.is(rest.length, 0);
  assert.is(action?.kind, 'deploy');
  assert.is(action?.from, null);
  assert.equal(action?.changes, [{ image: 'web', path: 'image', from: null, to: 'web:1' }]);
});

test('what is live makes no action', () => {
  assert.equal(plan(desired([wanted('shop', 'web:1')]), recorded([target('shop', 1, [record(1, 'main', 'successful', 'web:1')])]), QUIET).actions, []);
});

test('a failed content is tried again up to its retries and then held (R23)', () => {
  const live = record(1, 'main', 'failed', 'web:2', { failures: 1, goodSpecHash: 'earlier' });
  const at = (failures: number, key = live.attemptKey) => plan(desired([wanted('shop', 'web:2')]), recorded([target('shop', 1, [{ ...live, failures, attemptKey: key }])]), QUIET).actions[0];
  assert.is(at(1)?.kind, 'retry');
  assert.is(at(2)?.tries, 3);
  assert.is(at(3)?.kind, 'hold');
  assert.is(at(3, 'another content')?.kind, 'deploy');
});

test('going back to an ancestor is a rollback with the recorded content, and downgrades what came later (R17, R18)', () => {
  const records = [
    record(1, '1.0.0', 'obsolete', 'web:1', { versionKind: 'incremental' }),
    record(2, '1.1.0', 'obsolete', 'web:2', { versionKind: 'incremental' }),
    record(3, '1.2.0', 'successful', 'web:3', { versionKind: 'incremental' }),
  ];
  const state = recorded([target('shop', 3, records)], [[1, null], [2, 1], [3, 2]]);
  const action = plan(desired([incremental('shop', '1.0.0', 'other:1')]), state, QUIET).actions[0]!;
  assert.is(action.kind, 'rollback');
  assert.is(action.recordId, 1);
  assert.ok(action.changes.some((change) => change.to === 'recorded:1'), 'the record, not the manifest, gives the content');
  assert.equal(action.statusChanges.map(({ version, to }) => `${version} ${to}`), ['1.0.0 successful', '1.1.0 downgraded', '1.2.0 downgraded']);
  const other = plan(desired([incremental('shop', '1.0.0', 'other:1', { overridesHash: 'changed' })]), state, QUIET).actions[0]!;
  assert.is(other.recordId, null, 'other overrides make a new record');
});

test('the same number or branch of another product is another version (R12, R13, R18)', () => {
  const number = record(1, '1.0.0', 'successful', 'web:1', { versionKind: 'incremental', product: 'other' });
  const replaced = plan(desired([incremental('shop', '1.0.0', 'web:1')]), recorded([target('shop', 1, [number])]), QUIET).actions[0]!;
  assert.equal([replaced.kind, replaced.recordId, replaced.reason], ['deploy', null, '1.0.0 takes the place of 1.0.0 of other']);
  const was = [{ ...number, status: 'obsolete' as const }, record(2, 'main', 'successful', 'web:2', { product: 'other' })];
  const back = plan(desired([incremental('shop', '1.0.0', 'web:1')]), recorded([target('shop', 2, was)]), QUIET).actions[0]!;
  assert.ok(back.recordId === null && back.changes.every(({ to }) => to !== 'recorded:1'), 'what the other product had here does not come back');
  const branch = plan(desired([wanted('shop', 'web:3')]), recorded([target('shop', 2, was)]), QUIET).actions[0]!;
  assert.equal([branch.recordId, branch.reason], [null, 'branch main takes the place of main of other']);
});

test('a running attempt of other content is superseded, one of the same content is left alone (R21)', () => {
  const item = wanted('shop', 'web:2');
  const running = { id: 7, kind: 'deploy', state: 'running', recordId: 1, cancelRequested: false } as const;
  const records = [record(1, 'main', 'in-progress', 'web:1')];
  const superseded = plan(desired([item]), recorded([target('shop', null, records, { openAttempt: { ...running, attemptKey: 'older' } })]), QUIET).actions[0];
  assert.is(superseded?.supersedes, 7);
  assert.equal(plan(desired([item]), recorded([target('shop', null, records, { openAttempt: { ...running, attemptKey: item.attemptKey } })]), QUIET).actions, []);
  assert.equal(plan(desired([item]), recorded([target('shop', null, records, { openAttempt: { ...running, attemptKey: 'older', cancelRequested: true } })]), QUIET).actions, []);
});

test('a manifest that is gone is removed, unless it is protected or the repository has problems (R20)', () => {
  const gone = target('shop', 1, [record(1, 'main', 'successful', 'web:1')]);
  const kinds = (state: Recorded, git: Desired) => plan(git, state, QUIET).actions.map((action) => action.kind);
  assert.equal(kinds(recorded([gone]), desired([])), ['remove']);
  assert.equal(kinds(recorded([{ ...gone, protected: true }]), desired([])), ['hold']);
  assert.equal(kinds(recorded([gone]), desired([], { mayRemove: false, keepReason: 'it is broken' })), ['hold']);
  assert.equal(kinds(recorded([gone]), desired([], { blocked: new Map([['shop', { name: 'shop', product: null, version: null, node: null, prefix: null, problems: [] }]]) })), ['blocked']);
});

test('a renamed manifest adopts its target and replaces nothing (R10)', () => {
  const actions = plan(desired([wanted('boutique', 'web:1')]), recorded([target('shop', 1, [record(1, 'main', 'successful', 'web:1')])]), QUIET).actions;
  assert.equal(actions.map((action) => [action.kind, action.adoptsFrom]), [['adopt', 'shop']]);
});

test('a second claimant does not get the target (R10)', () => {
  const actions = plan(desired([wanted('shop', 'web:1'), wanted('thief', 'web:9')]), recorded([target('shop', 1, [record(1, 'main', 'successful', 'web:1')])]), QUIET).actions;
  assert.equal(actions.map((action) => [action.deployment, action.kind]), [['thief', 'blocked']]);
});

test('what moves to another node is removed here only when it serves there', () => {
  const here = target('shop', 1, [record(1, 'main', 'successful', 'web:1')]);
  const moved = wanted('shop', 'web:1', { node: 'pier' });
  const before = plan(desired([moved]), recorded([here]), QUIET).actions;
  assert.equal(before.map((action) => action.kind), ['deploy', 'hold']);
  const there = { ...here, node: 'pier', records: [record(2, 'main', 'successful', 'web:1')], liveRecordId: 2 };
  assert.equal(plan(desired([moved]), recorded([here, there]), QUIET).actions.map((action) => action.kind), ['remove']);
});

test('a dependency that is not live holds the dependent back', () => {
  const db = wanted('db', 'db:1', { prefix: 'db' });
  const shop = wanted('shop', 'web:1', { dependsOn: ['db'] });
  assert.equal(plan(desired([db, shop]), recorded([]), QUIET).actions.map((action) => action.waitsFor), [[], ['db']]);
  const up = target('db', 1, [record(1, 'main', 'successful', 'db:1')], { prefix: 'db' });
  assert.equal(plan(desired([db, shop]), recorded([up]), QUIET).actions.map((action) => action.waitsFor), [[]]);
});

test('drift is healed only if asked for, and a fight is reported (R24)', () => {
  const drift: Observed = { nodes: new Map(), drift: new Map([['harbor/shop', [{ container: 'shop-web', field: 'state' }]]]) };
  const live = target('shop', 1, [record(1, 'main', 'successful', 'web:1')]);
  assert.equal(plan(desired([wanted('shop', 'web:1')]), recorded([live]), drift).actions, []);
  assert.equal(plan(desired([wanted('shop', 'web:1', { selfHeal: true })]), recorded([live]), drift).actions.map((action) => action.kind), ['heal']);
  const fight = plan(desired([wanted('shop', 'web:1', { selfHeal: true })]), recorded([{ ...live, recentHeals: MAX_HEALS }]), drift);
  assert.equal(fight.actions, []);
  assert.equal(fight.problems.map((item) => item.code), ['HealingFight']);
});

test('the hash does not depend on the order of inputs nor on who is connected', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd', 'e'), image: fc.constantFrom('x:1', 'x:2') }), { selector: (item) => item.name, maxLength: 5 }), fc.boolean(), (items, connected) => {
      const list = items.map((item) => wanted(item.name, item.image, { prefix: item.name }));
      const targets = items.slice(1).map((item, index) => target(item.name, index + 1, [record(index + 1, 'main', 'successful', 'x:1')], { prefix: item.name }));
      const nodes = new Map([['harbor', { status: connected ? ('connected' as const) : ('unreachable' as const), simulated: false }]]);
      const one = plan(desired(list), recorded(targets), QUIET);
      const other = plan(desired([...list].reverse()), recorded([...targets].reverse()), { nodes, drift: new Map() });
      assert.is(one.hash, other.hash);
      const only = new Set<string>(items.slice(0, 2).map((item) => item.name));
      assert.equal(plan(desired(list), recorded(targets), QUIET, only).actions, one.actions.filter((action) => only.has(action.deployment)), 'a part of the plan is the plan of that part');
    }),
  );
});

test('a variable called like what every object has is a variable like others', () => {
  const named = (environment: Record<string, string>) => spec('web:1', { environment });
  assert.equal(diffSpecs(named({ A: '1' }), named({ A: '1', constructor: 'x' })), [{ image: 'web', path: 'config.environment.constructor', from: null, to: 'x' }]);
});

test('secrets are shown by a digest only, everywhere (R27)', () => {
  const secret = (text: string) => spec('web:1', { secrets: { PASSWORD: { sealed: { harbor: text } } } } as TargetSpec['images'][number]['config']);
  const changes = diffSpecs(secret('canary-old'), secret('canary-new'));
  assert.is(changes.length, 1);
  assert.not.match(JSON.stringify(changes), /canary/);
});

test('secrets inside a list are shown by a digest, too (R27)', () => {
  const container = (text: string) => spec('web:1', { initContainers: [{ name: 'init', image: 'init:1', secrets: { PASSWORD: { sealed: { harbor: text } } } }] } as unknown as TargetSpec['images'][number]['config']);
  const [change] = diffSpecs(container('canary-old'), container('canary-new'));
  assert.match(change!.to!, /"harbor":"sealed [0-9a-f]{12}"/);
  assert.not.match(JSON.stringify(change), 'canary');
});

test('text and Markdown name the action, its reason and its strategy, and Markdown is inert', () => {
  const result = plan(desired([wanted('shop', 'web:<script>|`x`')]), recorded([]), QUIET);
  const text = planAsText(result, 'the recorded state');
  assert.match(text, 'deploy shop main on harbor/shop: nothing serves on this target yet');
  assert.match(text, 'strategy  web: start-first (alone)');
  assert.not.match(planAsMarkdown(result, 'x').replaceAll(/(`+)(?!`).*?(?<!`)\1(?!`)/g, ''), /<script>/);
});

test('a move to another prefix of the node is barred while both need one port or one address, and says what to do', () => {
  const moved = (config: TargetSpec['images'][number]['config'], more: Partial<DesiredDeployment> = {}, simulated = false): readonly { kind: string; reason: string }[] => {
    const serving = { ...spec('web:1', config) };
    const shop = wanted('shop', 'web:1', { prefix: 'market', spec: { ...serving, prefix: 'market' }, ...more });
    return plan(desired([shop]), recorded([target('shop', 1, [record(1, 'main', 'successful', 'web:1')], { liveSpec: serving })]), { ...QUIET, nodes: new Map([['harbor', { status: 'connected', simulated }]]) }).actions;
  };
  for (const [config, what] of [[{ ports: [{ internal: 1, external: 80 }] }, 'port 80/tcp of the node'], [{ expose: 'http', routing: { domain: 'A.example', path: '/x/' } }, 'the address a.example/x']] as const) {
    const actions = moved(structuredClone(config) as unknown as TargetSpec['images'][number]['config']);
    assert.equal(actions.map(({ kind }) => kind), ['blocked', 'hold']);
    for (const { reason } of actions) assert.match(reason, `from harbor/shop to harbor/market, and both would need ${what}: take its manifest out in one commit`);
    assert.is(moved(structuredClone(config) as unknown as TargetSpec['images'][number]['config'], { oneNetwork: false })[0]?.kind, 'deploy', 'a cluster gives each its own');
    assert.is(moved(structuredClone(config) as unknown as TargetSpec['images'][number]['config'], {}, true)[0]?.kind, 'deploy', 'a simulated node has none of it');
  }
  assert.equal(moved({ ports: [{ internal: 80 }] }).map(({ kind }) => kind), ['deploy', 'hold']);
});

test('a gap is expected for what serves and is replaced, not for what is new', () => {
  const recreate = { strategies: [{ image: 'web', strategy: 'recreate', reason: 'a port' }, { image: 'more', strategy: 'recreate', reason: 'a port' }] } as const;
  const both = spec('web:2');
  const content = { ...both, images: [...both.images, { ...both.images[0]!, name: 'more' }] };
  const shop = wanted('shop', 'web:2', { ...recreate, spec: content, specHash: specHashOf(content) });
  assert.match(planAsText(plan(desired([shop]), recorded([]), QUIET), 'x'), 'No gap is expected.');
  const before = recorded([target('shop', 1, [record(1, 'main', 'successful', 'old:1')])]);
  assert.match(planAsText(plan(desired([shop]), before, QUIET), 'x'), 'A gap is expected for shop (web).');
});

test.run();

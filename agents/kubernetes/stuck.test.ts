import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Scene } from './judge.ts';
import type { Pod } from './live.ts';
import { stuckPods } from './stuck.ts';

const test = suite('stuck pods');
const NOW = Date.parse('2026-01-01T12:00:00Z');
const ago = (ms: number): string => new Date(NOW - ms).toISOString();

type Life = 'ready' | 'crashing' | 'starting' | 'sick';

function pod(name: string, hash: string, life: Life, age = 600_000): Pod {
  const set = /-\d$/.test(name) ? { 'statefulset.kubernetes.io/pod-name': name } : {};
  return {
    metadata: { name, uid: name, creationTimestamp: ago(age), labels: { 'tagboat.dev/spec-hash': hash, 'tagboat.dev/image': 'db', 'tagboat.dev/container': 'db', ...set } },
    probed: true,
    givenUp: false,
    mainContainer: 'db',
    mainImage: 'db:1',
    status: {
      conditions: [{ type: 'Ready', status: life === 'ready' ? 'True' : 'False', lastTransitionTime: ago(life === 'starting' ? 5_000 : 500_000) }],
      containerStatuses: [{ name: 'db', state: life === 'crashing' ? { waiting: { reason: 'CrashLoopBackOff' } } : { running: { startedAt: ago(age) } } }],
    },
  };
}
function stuck(kind: string, pods: readonly Pod[], more: Partial<Scene> = {}): string[] {
  const live = { kind, metadata: { name: 'db', uid: 's', generation: 2 }, replicas: 3, paused: false, status: { observedGeneration: 2 } };
  const scene: Scene = { name: 'db', image: { name: 'db', image: 'db:1', dependsOn: [], config: {}, strategy: 'start-first' }, hash: 'new', live, pods, events: [], now: NOW, since: NOW - 20_000, appliedAt: NOW - 20_000, settleMs: 0, ...more };
  return stuckPods(scene).map((one) => one.metadata.name);
}

test('of a StatefulSet, the lowest pod of an older template that will not be ready, and those above it', () => {
  assert.equal(stuck('StatefulSet', [pod('db-0', 'old', 'ready'), pod('db-1', 'old', 'crashing'), pod('db-2', 'old', 'ready')]), ['db-1', 'db-2']);
  assert.equal(stuck('StatefulSet', [pod('db-0', 'old', 'sick'), pod('db-1', 'new', 'starting')]), ['db-0'], 'what has the new template already stays');
  assert.equal(stuck('StatefulSet', [pod('db-0', 'old', 'ready'), pod('db-1', 'old', 'starting')]), [], 'one that has just been ready is waited for');
  assert.equal(stuck('StatefulSet', [pod('db-0', 'old', 'sick')], { since: NOW - 5_000 }), [], 'so is one that was let be so far');
  const unseen = { kind: 'StatefulSet', metadata: { name: 'db', uid: 's', generation: 3 }, replicas: 3, paused: false, status: { observedGeneration: 2 } };
  assert.equal(stuck('StatefulSet', [pod('db-1', 'old', 'crashing')], { live: unseen }), [], 'it would come again as it was');
});

test('what was tried in vain before, with the same template, is tried anew at once', () => {
  assert.equal(stuck('Deployment', [pod('db-a', 'new', 'crashing'), pod('db-b', 'new', 'ready'), pod('db-c', 'old', 'crashing')]), ['db-a']);
  assert.equal(stuck('Deployment', [pod('db-a', 'new', 'crashing', 10_000)]), [], 'a pod of this attempt has failed, and that counts');
  assert.equal(stuck('Job', [pod('db-a', 'new', 'crashing')]), []);
});

test.run();

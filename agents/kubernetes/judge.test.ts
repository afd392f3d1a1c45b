import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerConfig, TargetImage } from '../../schemas/gen/types.ts';
import { judge, type Scene, type Verdict } from './judge.ts';
import type { ContainerStatus, LiveEvent, LiveWorkload, Pod } from './live.ts';

const test = suite('judge');
const NOW = Date.parse('2026-01-01T12:00:00Z');
const ago = (ms: number): string => new Date(NOW - ms).toISOString();

function pod(status: Partial<ContainerStatus>, more: Partial<Pod['status']> = {}): Pod {
  return {
    metadata: { name: 'web-1', namespace: 'shop', uid: 'p1', labels: { 'tagboat.dev/spec-hash': 'new', 'tagboat.dev/image': 'web' }, creationTimestamp: ago(60_000) },
    probed: true,
    givenUp: false,
    mainContainer: 'web',
    mainImage: 'web:1',
    status: { phase: 'Running', conditions: [], containerStatuses: [{ name: 'web', image: 'web:1', restartCount: 0, ...status }], ...more },
  };
}
function live(status: LiveWorkload['status'] = {}, kind = 'Deployment'): LiveWorkload {
  return { kind, metadata: { name: 'web', uid: 'd1', generation: 2 }, replicas: 1, paused: false, status };
}
function event(reason: string, message: string, uid = 'p1'): LiveEvent {
  return { metadata: { name: 'e', uid: 'e' }, involvedObject: { uid }, type: 'Warning', reason, message, lastTimestamp: ago(1000) };
}
function scene(more: Partial<Scene>, config: ContainerConfig = {}): Scene {
  const image: TargetImage = { name: 'web', image: 'web:1', dependsOn: [], config, strategy: 'start-first' };
  return { name: 'web', image, hash: 'new', live: live(), pods: [], events: [], now: NOW, since: NOW - 60_000, appliedAt: NOW - 61_000, settleMs: 0, ...more };
}
function codeOf(verdict: Verdict): string {
  return verdict.is === 'failed' ? verdict.code : verdict.is;
}

test('a Deployment is good when the generation was seen, all pods are new and available, and no old one is left', () => {
  const whole = { observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1 };
  assert.is(codeOf(judge(scene({ live: live(whole) }))), 'good');
  for (const short of [{ observedGeneration: 1 }, { replicas: 2 }, { updatedReplicas: 0 }, { availableReplicas: 0 }]) assert.is(codeOf(judge(scene({ live: live({ ...whole, ...short }) }))), 'waiting', JSON.stringify(short));
  assert.is(codeOf(judge(scene({ live: undefined }))), 'waiting');
});

test('pods of the template before are nobody’s business', () => {
  const old = pod({ state: { waiting: { reason: 'CrashLoopBackOff' } } });
  assert.is(codeOf(judge(scene({ pods: [{ ...old, metadata: { ...old.metadata, labels: { 'tagboat.dev/spec-hash': 'old' } } }] }))), 'waiting');
  assert.is(codeOf(judge(scene({ pods: [{ ...old, metadata: { ...old.metadata, deletionTimestamp: ago(1) } }] }))), 'waiting');
  assert.is(codeOf(judge(scene({ pods: [old] }))), 'ContainerExited');
});

test('a pod that was there before may be on its way out, for a while', () => {
  const broken = pod({ state: { waiting: { reason: 'CrashLoopBackOff' } } });
  const appliedAt = NOW - 16_300;
  assert.is(codeOf(judge(scene({ pods: [broken], since: NOW - 14_000, appliedAt }))), 'waiting');
  assert.is(codeOf(judge(scene({ pods: [broken], since: NOW - 15_000, appliedAt }))), 'ContainerExited', 'it stays');
  const fresh = { ...broken, metadata: { ...broken.metadata, creationTimestamp: ago(17_000) } };
  assert.is(codeOf(judge(scene({ pods: [fresh], since: NOW - 14_000, appliedAt }))), 'ContainerExited', 'one that was made since, in the same second, is certain at once');
});

test('an image that cannot come is told apart by what the registry said, a passing fault is waited for', () => {
  const pull = (message: string, reason = 'ErrImagePull'): Pod => pod({ state: { waiting: { reason, message } } });
  assert.is(codeOf(judge(scene({ pods: [pull('manifest for web:1 not found: manifest unknown')] }))), 'ImageUnknown');
  assert.is(codeOf(judge(scene({ pods: [pull('pull access denied for web, repository does not exist or may require authorization')] }))), 'RegistryUnauthorized');
  const named = pod({ image: 'localhost:40369/unauthorized:9', state: { waiting: { reason: 'ErrImagePull', message: 'manifest for localhost:40369/unauthorized:9 not found' } } });
  assert.is(codeOf(judge(scene({ pods: [named] }))), 'ImageUnknown', 'what the image is called counts for nothing');
  assert.is(codeOf(judge(scene({ pods: [pull('unexpected status code 403 Forbidden')] }))), 'RegistryUnauthorized');
  assert.is(codeOf(judge(scene({ pods: [pull('toomanyrequests: You have reached your pull rate limit')] }))), 'RegistryRateLimited');
  assert.is(codeOf(judge(scene({ pods: [pull('dial tcp: lookup registry: no such host')] }))), 'waiting');
  const backOff = pull('Back-off pulling image "web:1"', 'ImagePullBackOff');
  assert.is(codeOf(judge(scene({ pods: [backOff] }))), 'waiting', 'nothing is known yet');
  assert.is(codeOf(judge(scene({ pods: [backOff], events: [event('Failed', 'Failed to pull image "web:1": dial tcp: connection refused'), event('Failed', 'Error: ErrImagePull')] }))), 'RegistryUnreachable');
  assert.is(codeOf(judge(scene({ pods: [pull('couldn’t parse', 'InvalidImageName')] }))), 'ImageUnknown');
});

test('a check that fails is certain after its start period and its retries, and not before', () => {
  const config: ContainerConfig = { healthCheck: { http: { port: 80 }, interval: '2s', retries: 3, startPeriod: '10s' } };
  const running = (ms: number): Pod => pod({ ready: false, started: true, state: { running: { startedAt: ago(ms) } } });
  const events = [event('Unhealthy', 'Readiness probe failed: HTTP probe failed with statuscode: 500')];
  assert.is(codeOf(judge(scene({ pods: [running(15_000)], events }, config))), 'waiting');
  const verdict = judge(scene({ pods: [running(19_000)], events }, config));
  assert.is(codeOf(verdict), 'HealthCheckFailed');
  assert.match(verdict.is === 'failed' ? verdict.reason : '', /statuscode: 500/);
  const restarted = pod({ restartCount: 1, state: { running: { startedAt: ago(1000) } }, lastState: { terminated: { exitCode: 137 } } });
  assert.is(codeOf(judge(scene({ pods: [restarted], events: [event('Unhealthy', 'Liveness probe failed: connection refused')] }, config))), 'HealthCheckFailed');
});

test('no room is certain after a while, unless somebody makes room', () => {
  const unschedulable = (ms: number): Pod => pod({}, { containerStatuses: [], conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes: Insufficient cpu', lastTransitionTime: ago(ms) }] });
  assert.is(codeOf(judge(scene({ pods: [unschedulable(5000)] }))), 'waiting');
  assert.is(codeOf(judge(scene({ pods: [unschedulable(20_000)] }))), 'Unschedulable');
  assert.is(codeOf(judge(scene({ pods: [unschedulable(20_000)], events: [event('TriggeredScaleUp', 'pod triggered scale-up')] }))), 'waiting');
  const quota = { observedGeneration: 2, conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'pods "web-2" is forbidden: exceeded quota: tight', lastTransitionTime: ago(10_000) }] };
  assert.is(codeOf(judge(scene({ live: live(quota) }))), 'QuotaExceeded');
});

test('pods that are refused are certain, unless the server was only busy or has taken one since', () => {
  const tried = (reason: string, message: string, ms: number): LiveEvent => ({ ...event(reason, message, 'd1'), lastTimestamp: ago(ms) });
  const refused = tried('FailedCreate', 'create Pod db-1 in StatefulSet db failed error: pods "db-1" is forbidden: not here', 20_000);
  const set = { live: live({}, 'StatefulSet') };
  assert.is(codeOf(judge(scene({ ...set, events: [refused] }))), 'ContainerCreateFailed');
  assert.is(codeOf(judge(scene({ ...set, events: [refused, tried('SuccessfulCreate', 'create Pod db-1 in StatefulSet db successful', 15_000)] }))), 'waiting');
  assert.is(codeOf(judge(scene({ ...set, events: [tried('FailedCreate', 'The POST operation against Pod could not be completed at this time, please try again.', 20_000)] }))), 'waiting');
});

test('what was wrong before is not held against what is to mend it', () => {
  const message = (template: string): string => `pods "web-${template}-x7k2p" is forbidden: maximum cpu usage per Container is 1`;
  const refused = (template: string) => live({ observedGeneration: 2, updatedReplicas: 1, conditions: [{ type: 'ReplicaFailure', status: 'True', message: message(template), lastTransitionTime: ago(3_600_000) }] });
  const starting = pod({ state: { waiting: { reason: 'ContainerCreating' } } });
  const fresh = { ...starting, metadata: { ...starting.metadata, labels: { ...starting.metadata.labels, 'pod-template-hash': 'aaa' } } };
  assert.is(codeOf(judge(scene({ live: refused('bbb'), pods: [fresh] }))), 'waiting', 'pods of the template before are refused');
  assert.is(codeOf(judge(scene({ live: refused('aaa'), pods: [fresh] }))), 'ContainerCreateFailed', 'further ones of the new template are');

  const restarted = pod({ restartCount: 1, ready: true, state: { running: { startedAt: ago(3_000_000) } }, lastState: { terminated: { exitCode: 128, reason: 'ContainerCannotRun' } } });
  const long = { ...event('Unhealthy', 'Liveness probe failed: connection refused'), lastTimestamp: ago(3_100_000) };
  assert.is(codeOf(judge(scene({ pods: [restarted], events: [long] }))), 'waiting', 'a pod that has been well for long, beside one that is to come');
});

test('rollouts that somebody has paused are no slow ones', () => {
  const paused = { ...live({ observedGeneration: 2, replicas: 1, updatedReplicas: 0, availableReplicas: 1 }), paused: true };
  const verdict = judge(scene({ live: paused }));
  assert.is(codeOf(verdict), 'ObjectConflict');
  assert.match(verdict.is === 'failed' ? verdict.reason : '', /rollout pause/);
  assert.is(codeOf(judge(scene({ live: { ...paused, status: { observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1 } } }))), 'good', 'it has nothing to roll out');
});

test('a job is judged by the exit code that was expected', () => {
  const job = (exitCode: number) => ({ live: live({}, 'Job'), pods: [pod({ state: { terminated: { exitCode } } })] });
  const expect = (exitCode: number): ContainerConfig => ({ expectedState: { state: 'exited', exitCode } });
  assert.is(codeOf(judge(scene(job(0), expect(0)))), 'good');
  assert.is(codeOf(judge(scene(job(3), expect(3)))), 'good');
  assert.is(codeOf(judge(scene(job(1), expect(0)))), 'ContainerExited');
  assert.is(codeOf(judge(scene(job(1), { ...expect(0), restartPolicy: 'on-failure' }))), 'waiting', 'it may be tried again');
});

test('what can never start, and what is missing for it, is said', () => {
  assert.is(codeOf(judge(scene({ pods: [pod({ state: { waiting: { reason: 'RunContainerError', message: 'exec: "nope": not found' } } })] }))), 'ContainerStartFailed');
  assert.is(codeOf(judge(scene({ pods: [pod({ state: { waiting: { reason: 'CreateContainerConfigError', message: 'secret "x" not found' } } })] }))), 'ContainerCreateFailed');
  const init = judge(scene({ pods: [pod({}, { initContainerStatuses: [{ name: 'init-migrate', restartCount: 2, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: { exitCode: 4 } } }] })] }));
  assert.is(codeOf(init), 'ContainerExited');
  assert.match(init.is === 'failed' ? init.reason : '', /init-migrate.*exit code 4/);
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerStatus } from '../live.ts';
import type { Deployment, ExchangeRecord, OwnPod } from './record.ts';
import { judgeTrial, podOnTrial } from './trial.ts';
import type { TrialScene } from './trial.ts';

const test = suite('an agent on trial in a cluster');
const S = 1_000;
const record: ExchangeRecord = { version: '2.0.0', image: 'tagboat:2.0.0', from: 'tagboat:1.0.0', guard: 'a-1', container: 'agent', readinessProbe: null, startedAt: '' };
const deployment: Deployment = { metadata: { name: 'a', resourceVersion: '1' }, spec: { selector: {}, template: { spec: { containers: [] } } } };

function pod(status: Partial<ContainerStatus>, more: { readonly metadata?: object; readonly status?: object } = {}): OwnPod {
  return { metadata: { name: 'a-2', uid: 'u', ...more.metadata }, probed: true, givenUp: false, mainContainer: 'agent', mainImage: '', images: { agent: 'tagboat:2.0.0', proxy: 'p' }, status: { containerStatuses: [{ name: 'proxy', state: { running: {} } }, { name: 'agent', image: 'tagboat:2.0.0', containerID: 'c', ...status }], ...more.status } };
}
function said(pods: readonly OwnPod[], scene: Partial<TrialScene> = {}): string {
  const failed = judgeTrial({ deployment, record, pods, events: [], now: 0, since: 0, running: new Map(), deadlineMs: 60 * S, ...scene });
  return failed === undefined ? 'waits' : `${failed.reason}${failed.log === undefined ? '' : ` [${failed.log.previous ? 'before' : 'now'}]`}`;
}

test('is waited for while it may come', () => {
  assert.is(said([], { now: 60 * S }), 'waits');
  assert.is(said([pod({ state: { waiting: { reason: 'ContainerCreating' } } })], { now: 500 * S }), 'waits');
  assert.is(said([pod({ state: { running: {} } })], { now: 60 * S, running: new Map([['c', 30 * S]]) }), 'waits');
  assert.is(said([pod({ state: { running: {} } })], { now: 60 * S }), 'waits', 'seen to run for the first time');
});

test('has failed when it ended, whatever became of it since', () => {
  const terminated = { exitCode: 7, reason: 'Error' };
  assert.is(said([pod({ state: { terminated } })]), 'it ended with exit code 7 [now]');
  assert.is(said([pod({ state: { running: {} }, lastState: { terminated } })]), 'it ended with exit code 7 [before]');
  assert.is(said([pod({ state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } })]), 'it ended with exit code 137 (OOMKilled) [now]');
});

test('has failed when the controller has not taken it in time', () => {
  assert.is(said([pod({ state: { running: {} } })], { now: 91 * S, running: new Map([['c', 30 * S]]) }), 'the controller had not taken it after 61 s [now]');
});

test('has failed when the cluster cannot start it', () => {
  const waiting = { reason: 'ErrImagePull', message: 'manifest unknown' };
  assert.match(said([pod({ state: { waiting } })]), /the registry does not have tagboat:2\.0\.0: manifest unknown/);
  assert.match(said([pod({ state: { waiting: { reason: 'CreateContainerConfigError', message: 'no such secret' } } })], { now: 20 * S }), /could not be started: CreateContainerConfigError \(no such secret\)/);
  assert.match(said([pod({ state: { waiting: { reason: 'ContainerCreating' } } })], { now: 601 * S }), /had not started after 10 minutes: ContainerCreating/);
  const homeless = { containerStatuses: [], conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' }] };
  assert.is(said([pod({}, { status: homeless })], { now: 50 * S }), 'waits');
  assert.is(said([pod({}, { status: homeless })], { now: 61 * S }), 'no node takes its pod: 0/1 nodes');
});

test('has failed when there is no pod of it', () => {
  assert.match(said([], { now: 121 * S }), /no pod of it had come/);
  const refused = { ...deployment, status: { conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' }] } };
  assert.match(said([], { now: 16 * S, deployment: refused }), /refuses its pod: exceeded quota/);
});

test('is the newest pod that is to stay', () => {
  const at = (name: string, creationTimestamp: string, more: object = {}): OwnPod => pod({}, { metadata: { name, creationTimestamp, ...more } });
  const pods = [at('gone', '2026-01-03', { deletionTimestamp: 'now' }), at('old', '2026-01-01'), at('new', '2026-01-02'), { ...at('other', '2026-01-04'), images: { agent: 'tagboat:1.0.0' } }, pod({}, { metadata: { name: 'evicted', creationTimestamp: '2026-01-05' }, status: { reason: 'Evicted' } })];
  assert.is(podOnTrial(pods, record)?.metadata.name, 'new');
});

test.run();

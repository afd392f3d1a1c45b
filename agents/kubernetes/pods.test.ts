import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { trimPod } from './live.ts';
import { presentPods, stateOf } from './pods.ts';

const test = suite('pods');
const labels = { 'tagboat.dev/prefix': 'shop', 'tagboat.dev/image': 'web', 'tagboat.dev/container': 'web' };
const raw = (name: string, status: object, restartPolicy = 'Always') => ({
  metadata: { name, uid: name, labels },
  spec: { restartPolicy, containers: [{ name: 'mesh-proxy', image: 'proxy:1' }, { name: 'web', image: 'web:1', readinessProbe: {} }] },
  status,
});

test('the container of the image is meant, also where a mesh has put its own before it', () => {
  const containerStatuses = [{ name: 'mesh-proxy', state: { running: {} } }, { name: 'web', state: { waiting: { reason: 'CrashLoopBackOff' } } }];
  const pod = trimPod(raw('web-1', { phase: 'Running', containerStatuses }));
  assert.equal([pod.mainContainer, pod.mainImage, pod.probed], ['web', 'web:1', true]);
  assert.is(stateOf(pod, '', undefined).state, 'restarting');
});

test('what a node took down with it has been replaced and counts no more, what was to end does', () => {
  const lost = { phase: 'Failed', reason: 'Terminated', message: 'Pod was terminated in response to imminent node shutdown.' };
  assert.equal(presentPods([trimPod(raw('web-1', lost)), trimPod(raw('web-2', { phase: 'Running' }))], 'shop').map((pod) => pod.metadata.name), ['web-2']);
  assert.is(presentPods([trimPod(raw('job-1', { phase: 'Failed' }, 'Never'))], 'shop').length, 1);
});

test.run();

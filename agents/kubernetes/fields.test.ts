import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { baselineOf, driftOfObject, type Content } from './baseline.ts';
import { ownedPart, ownedValues } from './fields.ts';
import { takenOver, type ManagedEntry } from './managed-fields.ts';

const test = suite('owned fields');

const OURS: ManagedEntry = {
  manager: 'tagboat',
  operation: 'Apply',
  fieldsV1: {
    'f:spec': {
      'f:replicas': {},
      'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:name': {}, 'f:image': {}, 'f:ports': { 'k:{"containerPort":53,"protocol":"UDP"}': { '.': {}, 'f:containerPort': {}, 'f:protocol': {} } } } } } },
      'f:accessModes': { 'v:"ReadWriteOnce"': {} },
    },
  },
};
function object(more: { readonly replicas?: number; readonly image?: string; readonly entries?: readonly ManagedEntry[]; readonly env?: unknown } = {}): Content {
  return {
    kind: 'Deployment',
    metadata: { name: 'web', uid: 'u', managedFields: [OURS, ...(more.entries ?? [])] },
    spec: {
      replicas: more.replicas ?? 1,
      revisionHistoryLimit: 10,
      accessModes: ['ReadWriteOnce'],
      template: { spec: { dnsPolicy: 'ClusterFirst', containers: [{ name: 'sidecar', image: 'x' }, { name: 'web', image: more.image ?? 'web:1', env: more.env, ports: [{ containerPort: 53, protocol: 'TCP' }, { containerPort: 53, protocol: 'UDP', hostPort: 0 }] }] } },
    },
  };
}
const byHand = (fields: ManagedEntry['fieldsV1'], manager = 'kubectl-edit'): ManagedEntry => ({ manager, operation: 'Update', fieldsV1: { ...fields } });
const ENV = { 'f:spec': { 'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"web"}': { 'f:env': { 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } } } } } } } };

test('values are read along the tree, list items by their keys', () => {
  assert.equal(Object.fromEntries(ownedValues(object(), OURS.fieldsV1 ?? {})), {
    'spec.replicas': '1',
    'spec.template.spec.containers[web].name': 'web',
    'spec.template.spec.containers[web].image': 'web:1',
    'spec.template.spec.containers[web].ports[53/UDP].containerPort': '53',
    'spec.template.spec.containers[web].ports[53/UDP].protocol': 'UDP',
    'spec.accessModes[ReadWriteOnce]': 'there',
  });
});

test('the owned part is what was applied, without what the server or others added', () => {
  assert.equal(ownedPart(object(), OURS.fieldsV1 ?? {}), {
    spec: { replicas: 1, accessModes: ['ReadWriteOnce'], template: { spec: { containers: [{ name: 'web', image: 'web:1', ports: [{ containerPort: 53, protocol: 'UDP' }] }] } } },
  });
});

test('drift is a changed value of ours or an addition of people, never a default or the status of a controller', () => {
  const before = baselineOf(object());
  assert.equal(driftOfObject('d', before, object()), []);
  assert.equal(driftOfObject('d', before, object({ replicas: 3 })).map((one) => [one.field, one.expected, one.actual]), [['spec.replicas', '1', '3']]);
  const status = byHand({ 'f:status': { 'f:replicas': {} } }, 'kube-controller-manager');
  const scaled = byHand({ 'f:spec': { 'f:progressDeadlineSeconds': {} } }, 'kube-controller-manager');
  assert.equal(driftOfObject('d', before, object({ entries: [status, scaled] })), []);
  const added = driftOfObject('d', before, object({ env: [{ name: 'A', value: 'b' }], entries: [byHand(ENV)] }));
  assert.ok(added.some((one) => one.field === 'spec.template.spec.containers[web].env[A].value' && one.actual === 'b (set by kubectl-edit)'), JSON.stringify(added));
  const known = baselineOf(object({ env: [{ name: 'A', value: 'b' }], entries: [byHand(ENV)] }));
  assert.equal(driftOfObject('d', known, object({ env: [{ name: 'A', value: 'b' }], entries: [byHand(ENV)] })), [], 'what was there at the success is known');
});

test('secrets are never in a picture', () => {
  const secret: Content = { kind: 'Secret', metadata: { name: 's', uid: 'u', managedFields: [{ manager: 'tagboat', operation: 'Apply', fieldsV1: { 'f:data': { 'f:PASSWORD': {} } } }] }, data: { PASSWORD: 'Y2FuYXJ5' } };
  const baseline = baselineOf(secret);
  assert.not.match(JSON.stringify(baseline), /Y2FuYXJ5/);
  const drift = driftOfObject('s', baseline, { ...secret, data: {} });
  assert.equal(drift.map((one) => [one.field, one.expected, one.actual]), [['data.PASSWORD', '(secret)', '']]);
});

test('taking over makes the content of people ours, and leaves controllers and marks alone', () => {
  assert.is(takenOver([OURS, byHand({ 'f:status': {} }, 'kube-controller-manager'), byHand({ 'f:metadata': { 'f:labels': { 'f:a': {} } } })]), undefined);
  const taken = takenOver([byHand({ ...ENV, 'f:metadata': { 'f:labels': { 'f:a': {} } } }), OURS]) ?? [];
  assert.equal(taken.map((entry) => [entry.manager, Object.keys(entry.fieldsV1 ?? {})]), [['kubectl-edit', ['f:metadata']], ['tagboat', ['f:spec']]]);
  assert.match(JSON.stringify(taken[1]), /f:env.*f:replicas|f:replicas.*f:env/);
});

test.run();

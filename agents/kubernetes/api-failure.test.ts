import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiFailure, asAttemptFailure } from './api-failure.ts';

const test = suite('answers of an API server');
const refused = (status: number, message: string, reason = 'Forbidden') => new ApiFailure(status, { reason, message }, message);

test('who may not is told apart from what may not be', () => {
  const rights = refused(403, 'deployments.apps "web" is forbidden: User "system:serviceaccount:a:b" cannot patch resource "deployments" in API group "apps" in the namespace "shop"');
  assert.is(asAttemptFailure(rights, 'apply Deployment web').code, 'EngineForbidden');
  const rule = refused(403, 'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize');
  assert.is(asAttemptFailure(rule, 'apply PersistentVolumeClaim data').code, 'SpecRefused');
  assert.is(asAttemptFailure(refused(403, 'services "web" is forbidden: exceeded quota: none'), 'apply Service web').code, 'QuotaExceeded');
  assert.is(asAttemptFailure(new ApiFailure(403, {}, 'a page of a proxy'), 'apply Service web').code, 'EngineForbidden');
});

test('what passes by itself is waited for', () => {
  assert.ok(refused(409, 'Operation cannot be fulfilled on resourcequotas "tight": the object has been modified; please apply your changes to the latest version and try again', 'Conflict').passing);
  assert.ok(refused(409, 'services "web" already exists', 'AlreadyExists').passing);
  assert.ok(refused(403, 'configmaps "web-env" is forbidden: status unknown for quota: tight, resources: configmaps').passing);
  assert.not.ok(refused(409, 'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas', 'Conflict').passing);
  assert.not.ok(refused(403, 'services "web" is forbidden: exceeded quota: none').passing);
});

test.run();

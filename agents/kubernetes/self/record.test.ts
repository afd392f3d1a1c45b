import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Role } from '../../core/exchange.ts';
import { accepting, beginning, containerOf, ending, EXCHANGE, forgetting, givingUp, obstacle, recordOf, roleOf } from './record.ts';
import type { Deployment, OwnPod } from './record.ts';

const test = suite('the record of an exchange in a cluster');
const PROBE = { exec: { command: ['true'] } };
const AT = new Date('2026-01-01T00:00:00Z');

interface Options {
  readonly probe?: object;
  readonly strategy?: string;
  readonly replicas?: number;
  readonly sidecar?: string;
}

function printed({ probe, strategy = 'Recreate', replicas = 1, sidecar }: Options = {}): Deployment {
  const containers = [{ name: 'agent', image: 'tagboat:1.0.0', ...(probe !== undefined && { readinessProbe: probe }), args: ['agent'] }, ...(sidecar === undefined ? [] : [{ name: sidecar, image: 'sidecar:1' }])];
  return { metadata: { name: 'a', resourceVersion: '1' }, spec: { replicas, strategy: { type: strategy }, selector: { matchLabels: { a: 'b' } }, template: { spec: { containers } } } };
}
const pod = (image: string, more: object = {}): OwnPod => ({ metadata: { name: 'a-1', uid: 'u', ...more }, probed: true, givenUp: false, mainContainer: 'agent', mainImage: image, images: { agent: image }, status: {} });

/** As an API server takes a merge patch. */
function merged<T>(into: T, patch: unknown): T {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch as T;
  const target: Record<string, unknown> = { ...(into as object) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete target[key];
    else target[key] = merged(target[key] ?? {}, value);
  }
  return target as T;
}
const begun = (from = printed()): Deployment => merged(from, beginning(from, '2.0.0', 'tagboat:2.0.0', 'a-1', PROBE, AT).change);

test('a failed one leaves the template exactly as it was, with a readiness probe or without', () => {
  for (const probe of [undefined, { exec: { command: ['mine'] }, periodSeconds: 9 }]) {
    const before = printed({ ...(probe !== undefined && { probe }), sidecar: 'proxy' });
    const during = begun(before);
    assert.equal(during.spec.strategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
    assert.is(containerOf(during)?.image, 'tagboat:2.0.0');
    assert.equal(containerOf(during)?.readinessProbe, probe ?? PROBE);
    const after = merged(during, givingUp(during, recordOf(during)!, 'it failed'));
    assert.equal(after.spec, before.spec);
    assert.equal(recordOf(after)?.verdict, { accepted: false, reason: 'it failed' });
    assert.is(merged(after, ending(after)).metadata.annotations?.[EXCHANGE], undefined);
  }
});

test('a good one leaves the new image, and the strategy as it was', () => {
  const during = begun();
  const after = merged(merged(during, accepting(during, recordOf(during)!)), ending(during));
  assert.equal(after.spec.strategy, { type: 'Recreate' });
  assert.is(containerOf(after)?.image, 'tagboat:2.0.0');
  assert.equal(after.metadata.annotations, {});
});

test('every change names what it was made from', () => {
  const during = begun();
  const record = recordOf(during)!;
  for (const one of [accepting(during, record), givingUp(during, record, ''), ending(during), forgetting(during)]) assert.is((one as Deployment).metadata.resourceVersion, '1');
});

test('who comes back finds out what it is', () => {
  const during = begun();
  const record = recordOf(during)!;
  const accepted = merged(during, accepting(during, record));
  const failed = merged(during, givingUp(during, record, ''));
  const [old, next, other] = [pod('tagboat:1.0.0'), pod('tagboat:2.0.0'), pod('tagboat:3.0.0')];
  const leaving = pod('tagboat:2.0.0', { deletionTimestamp: 'now' });
  const applied = (image: string, at: Deployment): Deployment => merged(at, { spec: { strategy: { type: 'Recreate', rollingUpdate: null }, template: { spec: { containers: [{ name: 'agent', image }] } } } });
  const cases: readonly (readonly [string, Deployment, OwnPod | undefined, Role])[] = [
    ['nothing goes on', printed(), old, 'agent'],
    ['nothing goes on, and its pod is not known', printed(), undefined, 'agent'],
    ['begun', during, old, 'guard'],
    ['begun', during, next, 'trial'],
    ['begun', during, other, 'loser'],
    ['begun, and its pod was taken away', during, undefined, 'loser'],
    ['begun, and on its way out', during, leaving, 'loser'],
    ['accepted', accepted, old, 'guard'],
    ['accepted', accepted, next, 'agent'],
    ['failed', failed, old, 'guard'],
    ['failed', failed, next, 'loser'],
    ['another manifest', applied('tagboat:3.0.0', during), old, 'loser'],
    ['another manifest', applied('tagboat:3.0.0', during), next, 'loser'],
    ['another manifest', applied('tagboat:3.0.0', during), other, 'agent'],
    ['the manifest from before, again', applied('tagboat:1.0.0', during), old, 'agent'],
    ['the manifest from before, again, after the verdict', applied('tagboat:1.0.0', accepted), next, 'loser'],
    ['a manifest of the new version', applied('tagboat:2.0.0', during), next, 'agent'],
    ['a manifest of the new version', applied('tagboat:2.0.0', during), old, 'loser'],
    ['a newer manifest after a failure', applied('tagboat:3.0.0', failed), old, 'loser'],
  ];
  for (const [what, deployment, own, role] of cases) assert.is(roleOf(deployment, own), role, `${what}: ${own?.images['agent'] ?? 'no pod'}`);
});

test('what cannot be exchanged is told beforehand', () => {
  const own = pod('tagboat:1.0.0');
  assert.is(obstacle(printed(), own, 'a-1'), null);
  assert.is(obstacle(printed({ sidecar: 'proxy' }), own, 'a-1'), null);
  assert.match(obstacle(undefined, own, 'a-1') ?? '', /does not find its Deployment/);
  assert.match(obstacle(printed(), undefined, 'a-1') ?? '', /does not find its pod a-1/);
  assert.match(obstacle(printed({ strategy: 'RollingUpdate' }), own, 'a-1') ?? '', /RollingUpdate and not Recreate/);
  assert.match(obstacle(printed({ replicas: 2 }), own, 'a-1') ?? '', /2 replicas/);
  assert.match(obstacle(printed(), pod('mirror/tagboat:1.0.0'), 'a-1') ?? '', /does not have the image/);
  assert.match(obstacle(merged(printed(), { spec: { template: { spec: { containers: [{ name: 'a' }, { name: 'b' }] } } } }), own, 'a-1') ?? '', /several containers/);
  assert.match(obstacle(merged(printed(), { spec: { paused: true } }), own, 'a-1') ?? '', /paused/);
});

test('a record that nobody can read is none', () => {
  for (const text of ['', '{', 'null', '7', '[]', '{"version":"2.0.0"}']) assert.is(recordOf(merged(printed(), { metadata: { annotations: { [EXCHANGE]: text } } })), undefined, text);
});

test.run();

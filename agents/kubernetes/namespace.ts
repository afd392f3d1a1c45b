/** The namespace of a target: made, adopted if it is empty, given back, removed only if Tagboat made it and nothing of others is in it. */
import { AttemptFailure } from '../core/attempt-failure.ts';
import { pause } from '../core/pool.ts';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { isMissing } from './api-failure.ts';
import { apply, removeObject } from './apply.ts';
import type { KubeApi } from './api.ts';
import { patiently } from './api.ts';
import { objectsOfOthers } from './inventory.ts';
import { namespacePath } from './kinds.ts';
import type { Condition } from './live.ts';
import { ANNOTATION, LABEL, labelValue, targetLabels } from './objects/labels.ts';
import type { KubeObject } from './objects/types.ts';

interface Namespace {
  readonly metadata: { readonly name: string; readonly uid: string; readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>>; readonly deletionTimestamp?: string };
  readonly status?: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

interface Target {
  readonly team: string;
  readonly prefix: string;
}

/** Namespaces of the cluster itself, some of them empty. */
const RESERVED = /^(default|kube-.*)$/;
/** How long one that is on its way out is waited for. */
const TERMINATING_MS = 120_000;
const LOOK_AGAIN_MS = 500;
/** Of others' objects named in a text. */
const NAMED = 5;

export async function readNamespace(api: KubeApi, name: string, until: AbortSignal): Promise<Namespace | undefined> {
  return patiently(`look at the namespace ${name}`, until, () => api.call<Namespace>({ method: 'GET', path: namespacePath(name) }).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  }));
}

function isOurNamespace(namespace: Namespace, { team, prefix }: Target): boolean {
  const { labels } = namespace.metadata;
  return labels?.[LABEL.team] === labelValue(team) && labels[LABEL.prefix] === prefix;
}

/**
 * There afterwards, and ours. Throws AttemptFailure: `NameTaken` for one that belongs to another team or holds objects of others,
 * `NamespaceTerminating` for one that does not get out of the way.
 */
export async function ensureNamespace(api: KubeApi, spec: TargetSpec, attemptId: bigint, options: { readonly until: AbortSignal; readonly patienceMs: number; tell(step: string, text: string): void }): Promise<void> {
  const { until, tell } = options;
  if (RESERVED.test(spec.prefix)) throw new AttemptFailure('NameTaken', `the namespace ${spec.prefix} is the cluster's own; nothing was touched. Choose another prefix`);
  const before = await waitUntilGone(api, spec.prefix, Math.min(options.patienceMs, TERMINATING_MS), options, 'leaving');
  if (before !== undefined && !isOurNamespace(before, spec)) {
    const owner = before.metadata.labels?.[LABEL.team];
    if (owner !== undefined) throw new AttemptFailure('NameTaken', `the namespace ${spec.prefix} belongs to the team ${owner}; nothing was touched. Choose another prefix`);
    const others = await objectsOfOthers(api, spec, until);
    if (others.length > 0) throw new AttemptFailure('NameTaken', `the namespace ${spec.prefix} is not Tagboat's and holds ${list(others)}; nothing was touched. Choose another prefix, or empty it`);
    tell('namespace', `adopts the empty namespace ${spec.prefix}`);
  }
  const made = before === undefined || before.metadata.annotations?.[ANNOTATION.made] === 'true';
  const object: KubeObject = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: spec.prefix, labels: { ...targetLabels(spec), [LABEL.attempt]: String(attemptId) }, ...(made && { annotations: { [ANNOTATION.made]: 'true' } }) },
  };
  await apply(api, object, { until, force: false, tell });
}

/** After a removal, or after a first attempt that failed. Answers what keeps it, or undefined when it is gone or given back. */
export async function releaseNamespace(api: KubeApi, target: Target, keeps: boolean, options: { readonly until: AbortSignal; readonly patienceMs: number; tell(step: string, text: string): void }): Promise<void> {
  const { until, tell } = options;
  const namespace = await readNamespace(api, target.prefix, until);
  if (namespace === undefined || !isOurNamespace(namespace, target)) return;
  if (keeps) return tell('namespace', `keeps the namespace ${target.prefix}: its volumes are in it`);
  const others = await objectsOfOthers(api, target, until);
  if (namespace.metadata.annotations?.[ANNOTATION.made] === 'true' && others.length === 0) {
    tell('namespace', `removes the namespace ${target.prefix}`);
    await removeObject(api, { kind: 'Namespace', metadata: { name: target.prefix, uid: namespace.metadata.uid } }, until);
    await waitUntilGone(api, target.prefix, options.patienceMs, options, 'removed');
    return;
  }
  tell('namespace', others.length > 0 ? `leaves the namespace ${target.prefix} to ${list(others)}` : `gives the namespace ${target.prefix} back: it was there before Tagboat`);
  // Applied without our labels, so that they go.
  await apply(api, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: target.prefix } }, { until, force: false, tell });
}

async function waitUntilGone(api: KubeApi, name: string, patienceMs: number, options: { readonly until: AbortSignal; tell(step: string, text: string): void }, why: 'leaving' | 'removed'): Promise<Namespace | undefined> {
  const end = Date.now() + patienceMs;
  for (let told = false; ; ) {
    const namespace = await readNamespace(api, name, options.until);
    const leaving = namespace !== undefined && (namespace.status?.phase === 'Terminating' || namespace.metadata.deletionTimestamp !== undefined);
    if (!leaving) return namespace;
    if (Date.now() >= end || options.until.aborted) {
      throw new AttemptFailure('NamespaceTerminating', `the namespace ${name} is on its way out and stays there: ${reasonOf(namespace)}. Look at what holds it (finalizers), then try again`);
    }
    if (!told && why === 'leaving') options.tell('wait', `the namespace ${name} is on its way out; waits until it is gone`);
    told = true;
    await pause(Math.min(LOOK_AGAIN_MS, Math.max(1, end - Date.now())), options.until);
  }
}

function reasonOf({ status }: Namespace): string {
  const conditions = (status?.conditions ?? []).filter((one) => one.status === 'True' && /Remaining|Failure/.test(one.type));
  return conditions.length === 0 ? 'the cluster does not say why' : conditions.map((one) => one.message ?? one.type).join('; ');
}

function list(names: readonly string[]): string {
  const more = names.length - NAMED;
  return `${names.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

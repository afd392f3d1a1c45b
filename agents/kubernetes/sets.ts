/** Sets of objects: the one that an attempt wants, and the one of the last success as it was applied. */
import type { TargetImage, TargetSpec } from '../../schemas/gen/types.ts';
import type { AttemptContext, SecretOpener, TargetMemory } from '../core/engine.ts';
import { openRegistries } from '../core/registry-access.ts';
import type { KubeApi } from './api.ts';
import { isBaseline } from './baseline.ts';
import { loginsOf, pinsOfDigests, referenceBy, resolvePins, type Pins } from './images.ts';
import { knowsMonitors } from './monitors.ts';
import { targetObjects, type TargetObjects, type Workload } from './objects/target-objects.ts';
import { openSecrets } from './secrets.ts';

/** Secrets opened, digests asked for. Touches nothing; throws AttemptFailure, RangeError for what contradicts itself. */
export async function wantedObjects(api: KubeApi, spec: TargetSpec, previous: TargetMemory | undefined, context: AttemptContext): Promise<TargetObjects> {
  const opened = await openSecrets(spec, context.secrets);
  const accessOf = await openRegistries(spec.registries, context.secrets);
  const [pins, monitors] = await Promise.all([
    resolvePins(spec, accessOf, previous === undefined ? new Map() : pinsOf(previous), AbortSignal.any([context.cancel, context.deadline]), (text) => context.progress('image', text)),
    knowsMonitors(api, context.deadline),
  ]);
  if (!monitors && spec.images.some((image) => image.config.kubernetes?.metrics !== undefined)) {
    context.progress('metrics', 'the cluster has no ServiceMonitor (the CRD servicemonitors.monitoring.coreos.com is missing); metrics are announced by the prometheus.io annotations of the Service alone');
  }
  return targetObjects({ spec, attemptId: context.attemptId, reference: referenceBy(pins), opened, logins: loginsOf(spec, accessOf), monitors });
}

export async function previousObjects(api: KubeApi, previous: TargetMemory, opener: SecretOpener, until: AbortSignal): Promise<TargetObjects> {
  const { spec, attemptId } = previous;
  const [opened, accessOf, monitors] = await Promise.all([openSecrets(spec, opener), openRegistries(spec.registries, opener), knowsMonitors(api, until)]);
  return targetObjects({ spec, attemptId, reference: referenceBy(pinsOf(previous)), opened, logins: loginsOf(spec, accessOf), monitors });
}

/** What was applied for the references of the last success. */
function pinsOf(memory: TargetMemory): Pins {
  return isBaseline(memory.baseline) ? new Map(Object.entries(memory.baseline.pins)) : pinsOfDigests(memory.digests);
}

export function imageOf(spec: TargetSpec, workload: Workload): TargetImage {
  const image = spec.images.find((one) => one.name === workload.name);
  if (image === undefined) throw new RangeError(`${workload.name} is no image of the specification`);
  return image;
}

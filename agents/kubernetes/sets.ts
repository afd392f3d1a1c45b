/** Sets of objects: the one that an attempt wants, and the one of the last success as it was applied. */
import type { TargetImage, TargetSpec } from '../../schemas/gen/types.ts';
import { AttemptFailure } from '../core/attempt-failure.ts';
import type { AttemptContext, SecretOpener, TargetMemory } from '../core/engine.ts';
import type { ImageConfigs } from '../core/image-config.ts';
import { refuseUnmetRules } from '../core/image-rules.ts';
import { pooled } from '../core/pool.ts';
import { parseReference } from '../core/reference.ts';
import { openRegistries } from '../core/registry-access.ts';
import type { AccessOf } from '../core/registry-access.ts';
import type { KubeApi } from './api.ts';
import { isBaseline } from './baseline.ts';
import { ASK_MS, loginsOf, pinsOfDigests, referenceBy, resolvePins, type Pins } from './images.ts';
import { knowsMonitors } from './monitors.ts';
import { ciphertextOf } from './objects/environment.ts';
import { targetObjects, type TargetObjects, type Workload } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';
import { openSecrets } from './secrets.ts';

/** Secrets opened, digests asked for. Touches nothing; throws AttemptFailure, RangeError for what contradicts itself. */
export async function wantedObjects(api: KubeApi, configs: ImageConfigs, spec: TargetSpec, previous: TargetMemory | undefined, context: AttemptContext): Promise<TargetObjects> {
  const opened = await openSecrets(spec, context.secrets);
  const accessOf = await openRegistries(spec.registries, context.secrets);
  const [pins, monitors] = await Promise.all([
    resolvePins(spec, accessOf, previous === undefined ? new Map() : pinsOf(previous), AbortSignal.any([context.cancel, context.deadline]), (text) => context.progress('image', text)),
    knowsMonitors(api, context.deadline),
  ]);
  if (!monitors && spec.images.some((image) => image.config.kubernetes?.metrics !== undefined)) {
    context.progress('metrics', 'the cluster has no ServiceMonitor (the CRD servicemonitors.monitoring.coreos.com is missing); metrics are announced by the prometheus.io annotations of the Service alone');
  }
  await checkDemands(configs, spec, { opened, accessOf, pins }, AbortSignal.any([context.cancel, context.deadline]));
  return targetObjects({ spec, attemptId: context.attemptId, reference: referenceBy(pins), opened, logins: loginsOf(spec, accessOf), monitors });
}

/**
 * Labels of an image may demand variables; no node has it yet, so its registry is asked. One that does not tell, or is not to be asked, holds
 * nothing up. Throws AttemptFailure `EnvironmentIncomplete`.
 */
async function checkDemands(configs: ImageConfigs, spec: TargetSpec, { opened, accessOf, pins }: { readonly opened: ReadonlyMap<string, string>; readonly accessOf: AccessOf; readonly pins: Pins }, signal: AbortSignal): Promise<void> {
  const told = await pooled(spec.images, async (image) => {
    const access = accessOf(image.image, image.registry);
    const digest = image.digest ?? parseReference(pins.get(image.image) ?? image.image).digest;
    if (digest === undefined || access?.asked === false) return [];
    const demands = await configs.demandsOf(image.image, digest, access, AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]));
    return demands === undefined ? [] : [{ name: image.name, demands, config: image.config, sealed: sealedVariables(image, spec.node, opened) }];
  });
  signal.throwIfAborted();
  refuseUnmetRules(told.flat());
}

function sealedVariables({ config }: TargetImage, node: string, opened: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const variables = Object.entries(config.secrets ?? {}).filter(([, secret]) => secret.file === undefined);
  return Object.fromEntries(variables.map(([name, secret]) => [name, Buffer.from(opened.get(ciphertextOf(secret, node)) ?? '', 'base64').toString('utf8')]));
}

/** @returns kept: what cannot be made anew, because the key that its values were sealed to is gone; it is in the cluster, and never changes there. */
export async function previousObjects(api: KubeApi, previous: TargetMemory, opener: SecretOpener, until: AbortSignal): Promise<TargetObjects & { readonly kept: readonly KubeObject[] }> {
  const { spec, attemptId } = previous;
  const [opened, accessOf, monitors] = await Promise.all([openSecrets(spec, opener).catch(undefinedIfUnopenable), openRegistries(spec.registries, opener), knowsMonitors(api, until)]);
  const objects = targetObjects({ spec, attemptId, reference: referenceBy(pinsOf(previous)), opened, logins: loginsOf(spec, accessOf), monitors });
  const kept = opened === undefined ? objects.ground.filter((one) => one.kind === 'Secret' && one['immutable'] === true) : [];
  return { ...objects, ground: objects.ground.filter((one) => !kept.includes(one)), kept };
}

function undefinedIfUnopenable(error: unknown): undefined {
  if (!(error instanceof AttemptFailure) || error.code !== 'SecretUnopenable') throw error;
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

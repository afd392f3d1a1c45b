/** One Deployment manifest → one desired deployment: everything merged, every reference followed, nothing left to look up. Pure. */
import type { NodeSpec, TargetSpec } from '../../schemas/gen/types.ts';
import { hashOf } from '../model/canonical.ts';
import { DEPLOYMENT_DEFAULTS } from '../model/defaults.ts';
import { parseDuration } from '../model/duration.ts';
import type { Manifest } from '../model/manifest.ts';
import type { ResolvedImages } from '../model/resolve-images.ts';
import { targetRegistries } from '../model/registry.ts';
import { sealedFor } from '../model/sealed.ts';
import { specHashOf } from './spec-hash.ts';
import { chooseStrategy } from './strategy.ts';
import type { DesiredDeployment, DesiredVersion, FollowedDigest } from './types.ts';

export interface DesiredInput {
  readonly team: string;
  readonly nodeType?: NodeSpec['type'] | undefined;
  readonly deployment: Manifest<'Deployment'>;
  readonly deploymentBundles: readonly Manifest<'ConfigBundle'>[];
  readonly version: DesiredVersion;
  /** `resolveImages` of the version's content under this deployment. */
  readonly resolved: ResolvedImages;
  /** Of the team's head, by name. */
  readonly registries: ReadonlyMap<string, Manifest<'Registry'>>;
  /** What its tags mean now, if it follows them; empty before anything moved. */
  readonly followed?: readonly FollowedDigest[] | undefined;
  /** Blob id of the manifest's file: touching it is a fresh go (R23). */
  readonly blob: string;
}

export function desiredDeployment(input: DesiredInput): DesiredDeployment {
  const { deployment, version, resolved } = input;
  const { spec } = deployment;
  const strategies = resolved.images.map((image) => chooseStrategy(image.name, image.config, spec.strategy ?? DEPLOYMENT_DEFAULTS.strategy, input.nodeType));
  const timeouts = { ...DEPLOYMENT_DEFAULTS.timeouts, ...spec.timeouts };
  const follow = spec.follow === 'digest' && version.kind === 'rolling' ? { schedule: spec.followSchedule ?? DEPLOYMENT_DEFAULTS.followSchedule } : undefined;
  const now = new Map(follow === undefined ? [] : (input.followed ?? []).map((one) => [`${one.name} ${one.image}`, one.digest]));
  const registries = targetRegistries(resolved.images, input.registries, spec.node);
  const target: TargetSpec = {
    specVersion: 1,
    team: input.team,
    deployment: deployment.name,
    product: spec.product,
    version: version.name,
    versionKind: version.kind,
    node: spec.node,
    prefix: spec.prefix,
    images: resolved.images.map((image, index) => ({
      name: image.name,
      image: image.image,
      ...(image.registry === undefined ? {} : { registry: image.registry }),
      ...digestOf(image.digest ?? now.get(`${image.name} ${image.image}`)),
      dependsOn: [...image.dependsOn],
      // Another node's ciphertext is not this one's content: sealing for one more node replaces no container here.
      config: sealedFor(image.config, spec.node),
      strategy: strategies[index]!.strategy,
    })),
    ...(registries.length === 0 ? {} : { registries }),
    timeouts,
    ...(follow && { follow }),
    selfHeal: spec.selfHeal ?? DEPLOYMENT_DEFAULTS.selfHeal,
  };
  // A tag that means something else is another content, although no manifest says so.
  const specHash = follow === undefined ? specHashOf(target) : hashOf({ content: specHashOf(target), follow, digests: target.images.map(({ digest }) => digest ?? null) });
  return Object.freeze({
    name: deployment.name,
    product: spec.product,
    version,
    node: spec.node,
    prefix: spec.prefix,
    spec: target,
    specHash,
    overridesHash: hashOf({
      environment: spec.environment,
      secrets: spec.secrets,
      config: spec.config,
      images: spec.images,
      bundles: input.deploymentBundles.map((bundle) => ({ environment: bundle.spec.environment, secrets: bundle.spec.secrets, config: bundle.spec.config })),
    }),
    // New credentials are a fresh go, too, and replace no container.
    attemptKey: hashOf({ specHash, registries: registries.length === 0 ? undefined : registries, blob: input.blob, version: version.name, commit: version.kind === 'incremental' ? version.commit : null }),
    dependsOn: spec.dependsOn ?? [],
    protected: spec.protected ?? DEPLOYMENT_DEFAULTS.protected,
    removeVolumes: spec.removeVolumes ?? DEPLOYMENT_DEFAULTS.removeVolumes,
    selfHeal: spec.selfHeal ?? DEPLOYMENT_DEFAULTS.selfHeal,
    retries: spec.retries ?? DEPLOYMENT_DEFAULTS.retries,
    strategies,
    timeoutMs: parseDuration(timeouts.attempt),
    oneNetwork: input.nodeType === 'docker',
  });
}

function digestOf(digest: string | undefined): { digest?: string } {
  return digest === undefined || digest === '' ? {} : { digest };
}

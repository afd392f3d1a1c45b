/**
 * From a TargetSpec to the containers of one target: names, hashes, helpers. Pure.
 */
import { createHash } from 'node:crypto';
import type { ContainerConfig, TargetImage, TargetSpec } from '../../schemas/gen/types.ts';
import { finalName, LABEL, OWN_LABELS } from './labels.ts';
import { imageKey, type ReadyImage, type WantedImage } from './images.ts';
import { milliseconds } from '../core/duration.ts';
import type { AccessOf } from '../core/registry-access.ts';
import { clearSecrets } from './clear-secrets.ts';
import { routeOf, type Route } from './route.ts';
import type { ContainerPlan } from './runtime.ts';

/** One container as this attempt wants it. */
export interface WantedContainer {
  readonly name: string;
  readonly image: TargetImage;
  readonly dependsOn: readonly string[];
  readonly ready: ReadyImage;
  /** Equal hash: the container that runs is the one that is wanted. */
  readonly hash: string;
  readonly expected: 'running' | 'exited' | 'waiting';
  readonly recreate: boolean;
  readonly stopGraceSeconds: number;
  /** `tcp/80`, of the node. */
  readonly hostPorts: readonly string[];
  readonly route: Route | undefined;
  readonly plan: ContainerPlan;
  /** Containers that run to their end before it, in order. */
  readonly helpers: readonly HelperPlan[];
}

export interface HelperPlan extends ContainerPlan {
  /** What people know it by: `init container migrate`. */
  readonly title: string;
}

/** What only the agent looks at: a change of it touches no container. */
const AGENT_ONLY = new Set(['healthCheck', 'expectedState', 'strategy', 'kubernetes', 'replicas']);

export function containerNameOf(spec: TargetSpec, image: TargetImage): string {
  return finalName(spec.prefix, image.config.name ?? image.name);
}

/** Images that get a container here: `replicas: 0` is none. */
export function deployedImages(spec: TargetSpec): TargetImage[] {
  return spec.images.filter((image) => image.config.replicas !== 0);
}

/** Every image that has to be on the node: the containers' and their helpers'. */
export function wantedImages(spec: TargetSpec, accessOf: AccessOf, knownDigest: (reference: string) => string | undefined): WantedImage[] {
  return deployedImages(spec).flatMap((image) => [
    { reference: image.image, pinned: image.digest ?? knownDigest(image.image), ...(image.registry !== undefined && { access: accessOf(image.image, image.registry) }) },
    ...helperImages(image.config).map((reference) => ({ reference, pinned: knownDigest(reference), access: accessOf(reference, undefined) })),
  ]);
}

const IMPORT_IMAGE = 'rclone/rclone:1';

function helperImages(config: ContainerConfig): string[] {
  return [
    ...(config.configContainer === undefined ? [] : [config.configContainer.image]),
    ...(config.importContainer === undefined ? [] : [config.importContainer.image ?? IMPORT_IMAGE]),
    ...(config.initContainers ?? []).map((init) => init.image),
  ];
}

export function wantedContainers(
  spec: TargetSpec,
  attemptId: bigint,
  ready: ReadonlyMap<string, ReadyImage>,
  opened: ReadonlyMap<object, Buffer>,
  knownDigest: (reference: string) => string | undefined,
): WantedContainer[] {
  function readyImage(reference: string, pinned: string | undefined): ReadyImage {
    const image = ready.get(imageKey({ reference, pinned: pinned ?? knownDigest(reference) }));
    if (image === undefined) throw new RangeError(`${reference} was not prepared`);
    return image;
  }
  const network = networkOf(spec);
  const deployed = deployedImages(spec);
  const names = new Set(deployed.map((image) => image.name));
  return deployed.map((image) => {
    const { config } = image;
    const main = readyImage(image.image, image.digest);
    const helpers = helperPlans(spec, image, attemptId, network, opened, (reference) => readyImage(reference, undefined));
    const ownNetwork = config.networkMode === 'host' || config.networkMode === 'none';
    const networks = ownNetwork ? [] : [network, ...(config.networks ?? [])].map((name) => ({ name, aliases: [image.name, ...(config.docker?.aliases ?? [])] }));
    const name = containerNameOf(spec, image);
    const hash = hashOf([spec.team, name, image.name, main.source, agentless(config), networks, helpers.map((helper) => [helper.image, agentless(helper.config)])]);
    const expected = config.expectedState?.state ?? 'running';
    const grace = Math.ceil(milliseconds(config.stopGrace, '10s') / 1000);
    const hostPorts = hostPortsOf(config);
    const route = routeOf(config);
    const labels = labelsOf(spec, image, attemptId, { role: 'main', hash, digest: main.digest, reference: image.image, grace, route });
    return {
      name,
      image,
      dependsOn: image.dependsOn.filter((dependency) => names.has(dependency)),
      ready: main,
      hash,
      expected,
      // The ports of the node cannot be held twice, whatever the plan said.
      recreate: image.strategy === 'recreate' || hostPorts.length > 0 || config.networkMode === 'host',
      stopGraceSeconds: grace,
      hostPorts,
      route,
      plan: { name, image: main.source, config, labels, networks, volumeNames: volumeNamesOf(spec.prefix, config), secrets: clearSecrets(config.secrets, opened) },
      helpers,
    };
  });
}

function agentless(config: ContainerConfig): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !AGENT_ONLY.has(key)));
}

export function networkOf(spec: TargetSpec): string {
  return spec.networkName ?? spec.prefix;
}

function labelsOf(
  spec: TargetSpec,
  image: TargetImage,
  attemptId: bigint,
  own: { role: string; hash: string; digest: string; reference: string; grace: number; route?: Route | undefined },
): Record<string, string> {
  return {
    // What is the agent's own is never a manifest's word: a route that nobody checked would be one.
    ...Object.fromEntries(Object.entries(image.config.labels ?? {}).filter(([key]) => !key.startsWith(OWN_LABELS))),
    [LABEL.team]: spec.team,
    [LABEL.deployment]: spec.deployment,
    [LABEL.prefix]: spec.prefix,
    [LABEL.image]: image.name,
    [LABEL.attempt]: String(attemptId),
    [LABEL.role]: own.role,
    [LABEL.hash]: own.hash,
    [LABEL.digest]: own.digest,
    [LABEL.reference]: own.reference,
    [LABEL.stopGrace]: String(own.grace),
    ...(own.route !== undefined && { [LABEL.route]: JSON.stringify(own.route) }),
  };
}

function volumeNamesOf(prefix: string, config: ContainerConfig): Record<string, string> {
  const named = (config.volumes ?? []).filter((volume) => (volume.type ?? 'named') === 'named');
  return Object.fromEntries(named.map((volume) => [volume.name ?? '', `${prefix}-${volume.name}`]));
}

/** The order is dyrector.io's: files in, data in, then the init containers. */
function helperPlans(
  spec: TargetSpec,
  image: TargetImage,
  attemptId: bigint,
  network: string,
  opened: ReadonlyMap<object, Buffer>,
  readyImage: (reference: string) => ReadyImage,
): HelperPlan[] {
  const { config } = image;
  const volumes = new Map((config.volumes ?? []).map((volume) => [volume.name, volume]));
  const steps: { title: string; reference: string; config: ContainerConfig }[] = [];
  function mounted(name: string, path: string): NonNullable<ContainerConfig['volumes']> {
    const volume = volumes.get(name);
    // A named volume that only the helper declares would be a new one under the same name; validation asks for it in `volumes`.
    return [volume === undefined ? { name, path } : { ...volume, path, readOnly: false }];
  }
  if (config.configContainer !== undefined) {
    const { image: reference, volume, path, keepFiles } = config.configContainer;
    const script = `${keepFiles === true ? '' : 'rm -rf /tagboat-volume/* /tagboat-volume/.[!.]* /tagboat-volume/..?* && '}cp -R "$1/." /tagboat-volume/`;
    steps.push({ title: 'config container', reference, config: { command: ['sh', '-c', script, 'sh', path], args: [], user: '0', volumes: mounted(volume, '/tagboat-volume') } });
  }
  if (config.importContainer !== undefined) {
    const { image: reference = IMPORT_IMAGE, volume, command, environment, secrets } = config.importContainer;
    steps.push({ title: 'import container', reference, config: { ...(command && { args: command }), ...(environment && { environment }), ...(secrets && { secrets }), volumes: mounted(volume, '/data') } });
  }
  for (const init of config.initContainers ?? []) {
    steps.push({
      title: `init container ${init.name}`,
      reference: init.image,
      config: {
        ...(init.command && { command: init.command }),
        ...(init.args && { args: init.args }),
        environment: { ...(init.useParentConfig === true ? config.environment : {}), ...init.environment },
        secrets: { ...(init.useParentConfig === true ? config.secrets : {}), ...init.secrets },
        volumes: (init.volumes ?? []).flatMap((mount) => mounted(mount.name, mount.path)),
      },
    });
  }
  const ownNetwork = config.networkMode === 'host' || config.networkMode === 'none';
  return steps.map((step, index) => {
    const ready = readyImage(step.reference);
    const helper: ContainerConfig = { ...step.config, restartPolicy: 'no', ...(config.networkMode && { networkMode: config.networkMode }) };
    const labels = labelsOf(spec, image, attemptId, { role: 'init', hash: '', digest: ready.digest, reference: step.reference, grace: 1 });
    return {
      title: step.title,
      name: `${containerNameOf(spec, image)}.init-${index + 1}`,
      image: ready.source,
      config: helper,
      labels,
      networks: ownNetwork ? [] : [{ name: network, aliases: [] }],
      volumeNames: volumeNamesOf(spec.prefix, helper),
      secrets: clearSecrets(helper.secrets, opened),
    };
  });
}

/** `tcp/80` for every port of the node that the container asks for. */
export function hostPortsOf(config: ContainerConfig): string[] {
  const single = (config.ports ?? []).flatMap((port) => (port.external === undefined ? [] : [`${port.protocol ?? 'tcp'}/${port.external}`]));
  const ranges = (config.portRanges ?? []).flatMap(({ external, protocol }) =>
    Array.from({ length: external.to - external.from + 1 }, (_, index) => `${protocol ?? 'tcp'}/${external.from + index}`),
  );
  return [...single, ...ranges];
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 32);
}

/** JSON with sorted keys: the order of keys in a manifest means nothing. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/**
 * What is wrong with a deployment once its configuration is merged: ports, names, fields that the node cannot honour. The
 * controller asks for the version that it deploys, `validate` for the one at hand.
 */
import type { NodeSpec } from '../../schemas/gen/types.ts';
import type { Origin } from './config-merge.ts';
import { parseImageRef } from './image-ref.ts';
import { portConflicts, portUses } from './port-uses.ts';
import type { Manifest } from './manifest.ts';
import { objectName, pointerStep } from './manifest.ts';
import type { Position, Problem, ProblemCode } from './problem.ts';
import { problem } from './problem.ts';
import type { ResolvedImage, ResolvedImages } from './resolve-images.ts';
import type { SecretNode } from './check-secrets.ts';
import { checkSecrets } from './check-secrets.ts';
import { checkValues } from './check-values.ts';
import { unsupportedFields } from './node-support.ts';

export interface CheckTargetInput {
  readonly deployment: Manifest<'Deployment'>;
  /** Null where the node is unknown, which is a problem of its own. */
  readonly nodeType: NodeSpec['type'] | null;
  /** Public keys that its agent told of; without any those of the Node manifest count, which `validate` knows. */
  readonly recipients: readonly string[];
  readonly resolved: ResolvedImages;
}

/** Problems of one target, the ones of `resolved` not included. Places are where the losing value stands. */
export function checkTarget({ deployment, nodeType, recipients, resolved }: CheckTargetInput): Problem[] {
  const object = objectName(deployment);
  const problems: Problem[] = [];
  const add = (code: ProblemCode, image: ResolvedImage, pointer: string, message: string, hint?: string, severity?: 'warning'): void => {
    problems.push(problem(code, placeIn(resolved, image, pointer, deployment), message, { object, ...(hint === undefined ? {} : { hint }), ...(severity === undefined ? {} : { severity }) }));
  };
  const node: SecretNode = { name: deployment.spec.node, recipients };
  const names = new Map<string, string>();
  for (const image of resolved.images) {
    const { config } = image;
    const name = config.name ?? image.name;
    const namesake = names.get(name);
    if (namesake !== undefined) add('DuplicateName', image, '/name', `images ${namesake} and ${image.name} both make the container ${deployment.spec.prefix}-${name}`);
    names.set(name, image.name);
    const wanted = config.strategy ?? deployment.spec.strategy;
    if (nodeType === 'docker' && wanted === 'start-first' && publishes(image)) {
      const message = `image ${image.name} publishes a port of the node, which the old and the new container cannot both have`;
      if (config.strategy === undefined) problems.push(problem('StrategyImpossible', deployment.position('/spec/strategy'), message, { object }));
      else add('StrategyImpossible', image, '/strategy', message);
    }
    if (nodeType !== null) {
      for (const { pointer, reason } of unsupportedFields(nodeType, config)) {
        problems.push(notSupported(placeIn(resolved, image, pointer, deployment), deployment, `${pointer.slice(1).replaceAll('/', '.')} of image ${image.name}`, `is not for ${nodeType} nodes: ${reason}`));
      }
    }
    checkParts(image, (code, pointer, message) => add(code, image, pointer, message));
    checkValues(image.name, config, (pointer, message, hint, severity) => add('ValueMeaningless', image, pointer, message, hint, severity));
    checkSecrets(image.name, config, node, (code, pointer, message) => add(code, image, pointer, message));
  }
  for (const [first, second] of portConflicts(resolved.images.flatMap((image, order) => portUses(image, image.config, order)))) {
    // On a cluster each image has a Service, and so ports, of its own.
    if (nodeType === 'kubernetes' && first.owner !== second.owner) continue;
    const port = `${Math.max(first.from, second.from)}/${second.protocol}`;
    const who = first.owner === second.owner ? `image ${first.owner.name} publishes port ${port} of the node twice` : `images ${first.owner.name} and ${second.owner.name} both publish port ${port} of the node`;
    add('PortConflict', second.owner, second.pointer, who);
  }
  return problems;
}

/** SPEC §2: an error at the deployment that chose the node. What it did not write itself is right for other nodes, so it is told at the choice. */
function notSupported(place: Position, deployment: Manifest<'Deployment'>, field: string, why: string): Problem {
  const object = objectName(deployment);
  if (place.file === deployment.file) return problem('FieldNotSupported', place, `${field} ${why}`, { object });
  return problem('FieldNotSupported', deployment.position('/spec/node'), `${field} (${place.file}:${place.line}:${place.column}) ${why}`, { object });
}

/** References inside one configuration. */
function checkParts(image: ResolvedImage, add: (code: ProblemCode, pointer: string, message: string) => void): void {
  const { config } = image;
  const volumes = new Set((config.volumes ?? []).flatMap((volume) => volume.name ?? []));
  const needVolume = (name: string, pointer: string): void => {
    if (!volumes.has(name)) add('UnknownReference', pointer, `image ${image.name} has no volume ${name}`);
  };
  const needImage = (reference: string | undefined, pointer: string): void => {
    if (reference !== undefined && parseImageRef(reference) === null) add('ImageReference', pointer, `${reference.slice(0, 200)} is no image reference`);
  };
  for (const [index, init] of (config.initContainers ?? []).entries()) {
    needImage(init.image, `/initContainers/${index}/image`);
    for (const [at, mount] of (init.volumes ?? []).entries()) needVolume(mount.name, `/initContainers/${index}/volumes/${at}/name`);
  }
  if (config.configContainer !== undefined) {
    needImage(config.configContainer.image, '/configContainer/image');
    needVolume(config.configContainer.volume, '/configContainer/volume');
  }
  if (config.importContainer !== undefined) {
    needImage(config.importContainer.image, '/importContainer/image');
    needVolume(config.importContainer.volume, '/importContainer/volume');
  }
  const inits = new Set<string>();
  for (const [index, { name }] of (config.initContainers ?? []).entries()) {
    if (inits.has(name)) add('DuplicateName', `/initContainers/${index}/name`, `two init containers of image ${image.name} are named ${name}`);
    inits.add(name);
  }
  checkDocker(image, add);
  const paths = new Set<string>();
  for (const [index, volume] of (config.volumes ?? []).entries()) {
    if (paths.has(volume.path)) add('SchemaViolation', `/volumes/${index}/path`, `two volumes of image ${image.name} have the path ${volume.path}`);
    paths.add(volume.path);
  }
  for (const [index, { internal, external }] of (config.portRanges ?? []).entries()) {
    const fits = internal.from <= internal.to && external.from <= external.to && internal.to - internal.from === external.to - external.from;
    if (!fits) add('SchemaViolation', `/portRanges/${index}`, 'the two spans must go upwards and be equally long');
  }
}

/** What the engine would refuse, or worse, would take and forget. */
function checkDocker({ name, config }: ResolvedImage, add: (code: ProblemCode, pointer: string, message: string) => void): void {
  const { docker } = config;
  if (docker?.maxRestarts !== undefined && config.restartPolicy !== 'on-failure') add('SchemaViolation', '/docker/maxRestarts', `maxRestarts of image ${name} needs restartPolicy: on-failure`);
  for (const path of Object.keys(docker?.files ?? {})) {
    const pointer = `/docker/files${pointerStep(path)}`;
    const volume = config.volumes?.find((one) => path.startsWith(`${one.path.replace(/\/+$/, '')}/`) || path === one.path);
    if (docker?.readOnly === true) add('SchemaViolation', pointer, `${path} of image ${name} cannot be put into a file system that is read-only`);
    else if (volume !== undefined) add('SchemaViolation', pointer, `${path} of image ${name} lies in the volume at ${volume.path}; files belong to the container, not to a volume`);
  }
  for (const [limit, { soft, hard }] of Object.entries(docker?.ulimits ?? {})) {
    if (hard !== -1 && (soft === -1 || soft > hard)) add('SchemaViolation', `/docker/ulimits${pointerStep(limit)}`, `the soft limit ${limit} of image ${name} is above the hard one`);
  }
}

function publishes(image: ResolvedImage): boolean {
  return (image.config.ports ?? []).some((port) => port.external !== undefined) || (image.config.portRanges ?? []).length > 0;
}

/** Where the value came from. A value inside a list has the list's origin and its own place in that file. */
export function placeIn(resolved: ResolvedImages, image: ResolvedImage, pointer: string, deployment: Manifest<'Deployment'>): Position {
  const origins = resolved.provenance.get(image.name);
  const found = origins === undefined ? undefined : nearest(origins, pointer);
  if (found === undefined || found.file === '') return deployment.position('/spec/product');
  return found;
}

function nearest(origins: ReadonlyMap<string, Origin>, pointer: string): Position | undefined {
  for (let at = pointer; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const origin = origins.get(at);
    if (origin !== undefined) return at === pointer ? origin : origin.within(pointer.slice(at.length));
  }
  for (const [key, origin] of origins) if (key.startsWith(`${pointer}/`)) return origin;
  return undefined;
}

/** From a TargetSpec to everything that a cluster has of it, the namespace apart. Pure. */
import { environmentObjects } from './environment.ts';
import { ingresses } from './ingress.ts';
import { pullSecrets } from './pull-secret.ts';
import { serviceMonitors } from './service-monitor.ts';
import { services } from './services.ts';
import type { BuildInput, KubeObject } from './types.ts';
import { claims } from './volumes.ts';
import { workload } from './workload.ts';

export interface Workload {
  /** The image's name in the version. */
  readonly name: string;
  readonly dependsOn: readonly string[];
  readonly object: KubeObject;
}

export interface TargetObjects {
  /** Environment, claims, Services: nothing of them runs. */
  readonly ground: readonly KubeObject[];
  readonly workloads: readonly Workload[];
  /** What leads there from outside. */
  readonly edge: readonly KubeObject[];
}

/** Throws RangeError for what contradicts itself; validation says most of it much earlier. */
export function targetObjects(input: BuildInput): TargetObjects {
  const inputs = input.spec.images.map((image) => ({ ...input, image }));
  const objects: TargetObjects = {
    ground: [...pullSecrets(input), ...inputs.flatMap(environmentObjects), ...claims(input), ...inputs.flatMap(services)],
    workloads: inputs.map((one) => ({ name: one.image.name, dependsOn: one.image.dependsOn, object: workload(one) })),
    edge: [...inputs.flatMap(ingresses), ...inputs.flatMap(serviceMonitors)],
  };
  const seen = new Set<string>();
  for (const object of allObjects(objects)) {
    if (seen.has(objectKey(object))) throw new RangeError(`two images make the ${objectKey(object)}; rename one of them`);
    seen.add(objectKey(object));
  }
  return objects;
}

export function allObjects({ ground, workloads, edge }: TargetObjects): KubeObject[] {
  return [...ground, ...workloads.map((one) => one.object), ...edge];
}

/** `Deployment web`: unique in a namespace. */
export function objectKey(object: { readonly kind: string; readonly metadata: { readonly name: string } }): string {
  return `${object.kind} ${object.metadata.name}`;
}

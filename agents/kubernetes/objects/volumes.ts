/** Storage: claims that outlive deployments, paths of the node, and memory. Pure. */
import type { V1PersistentVolumeClaim, V1PersistentVolumeClaimSpec, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import type { ContainerConfig, TargetImage, TargetSpec, Volume } from '../../../schemas/gen/types.ts';
import { LABEL, selectorOf, targetLabels } from './labels.ts';
import type { BuildInput, KubeObject } from './types.ts';

/** What a named volume claims where the manifest does not say. */
const DEFAULT_SIZE = '1Gi';

function isNamed(volume: Volume): boolean {
  return (volume.type ?? 'named') === 'named';
}

/** Only one pod can hold it, so several replicas need one each. */
function isExclusive(volume: Volume): boolean {
  return isNamed(volume) && volume.readOnly !== true && ['ReadWriteOnce', 'ReadWriteOncePod'].includes(volume.accessMode ?? 'ReadWriteOnce');
}

/** Several replicas of something that writes to a volume of its own: a StatefulSet. */
export function isStateful(config: ContainerConfig): boolean {
  return (config.replicas ?? 1) > 1 && (config.volumes ?? []).some(isExclusive);
}

function volumeName(volume: Volume, index: number): string {
  return volume.name ?? `volume-${index}`;
}

export function volumeMounts(config: ContainerConfig): V1VolumeMount[] {
  return (config.volumes ?? []).map((volume, index) => ({ name: volumeName(volume, index), mountPath: volume.path, ...(volume.readOnly === true && { readOnly: true }) }));
}

/** Of the pod. Claims made from a template of a StatefulSet are not among them: it adds them itself. */
export function podVolumes(config: ContainerConfig): V1Volume[] {
  const stateful = isStateful(config);
  const found = new Map<string, V1Volume>();
  for (const [index, volume] of (config.volumes ?? []).entries()) {
    if (stateful && isExclusive(volume)) continue;
    const name = volumeName(volume, index);
    if (!found.has(name)) found.set(name, { name, ...sourceOf(volume) });
  }
  return [...found.values()];
}

function sourceOf(volume: Volume): Omit<V1Volume, 'name'> {
  switch (volume.type ?? 'named') {
    case 'bind':
      return { hostPath: { path: volume.source ?? '', type: '' } };
    case 'tmpfs':
    case 'memory':
      return { emptyDir: { medium: 'Memory', ...(volume.size !== undefined && { sizeLimit: String(volume.size) }) } };
    default:
      return { persistentVolumeClaim: { claimName: volume.name ?? '' } };
  }
}

function claimSpec(volume: Volume): V1PersistentVolumeClaimSpec {
  return {
    accessModes: [volume.accessMode ?? 'ReadWriteOnce'],
    resources: { requests: { storage: String(volume.size ?? DEFAULT_SIZE) } },
    ...(volume.class !== undefined && { storageClassName: volume.class }),
  };
}

export function claimTemplates(spec: TargetSpec, image: TargetImage): V1PersistentVolumeClaim[] {
  const labels = { ...targetLabels(spec), ...selectorOf(spec, image) };
  return (image.config.volumes ?? []).filter(isExclusive).map((volume) => ({
    // Said in full: what a server adds to a template that it keeps would look like a change at the next apply.
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: volume.name ?? '', labels },
    spec: { ...claimSpec(volume), volumeMode: 'Filesystem' },
  }));
}

/** Claims by name: images of one target that name the same volume share it, as on Docker. Throws RangeError where they disagree about it. */
export function claims({ spec, attemptId }: BuildInput): KubeObject[] {
  const found = new Map<string, { readonly text: string; readonly object: KubeObject }>();
  for (const image of spec.images) {
    const stateful = isStateful(image.config);
    for (const volume of (image.config.volumes ?? []).filter(isNamed)) {
      if (stateful && isExclusive(volume)) continue;
      const claim = claimSpec(volume);
      const text = JSON.stringify(claim);
      const name = volume.name ?? '';
      const known = found.get(name);
      if (known !== undefined && known.text !== text) throw new RangeError(`two images describe the volume ${name} differently (size, class or accessMode)`);
      const labels = { ...targetLabels(spec), [LABEL.attempt]: String(attemptId) };
      found.set(name, { text, object: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name, namespace: spec.prefix, labels }, spec: claim } });
    }
  }
  return [...found.values()].map((one) => one.object);
}

/** Manifests as text, and the proof that they are good ones. Pure. */
import { stringify } from 'yaml';
import type { VersionImage } from '../../schemas/gen/types.ts';
import { checkReferences } from '../manifests/check-references.ts';
import { parseManifestFile } from '../manifests/parse-file.ts';
import { buildManifestSet } from '../manifests/read-set.ts';
import type { Kind } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';

export interface Written {
  /** Relative to the directory of the manifests. */
  readonly path: string;
  readonly text: string;
}

export interface WriteOptions {
  readonly product: string;
  readonly images: readonly VersionImage[];
  readonly node: string;
  /** The Node manifest is not there yet. */
  readonly newNode: boolean;
  readonly prefix: string;
}

export function manifestFiles({ product, images, node, newNode, prefix }: WriteOptions): Written[] {
  return [
    ...(newNode ? [{ path: `nodes/${node}.yaml`, text: manifest('Node', node, { type: 'docker' }) }] : []),
    { path: `products/${product}/product.yaml`, text: manifest('Product', product, { type: 'simple' }) },
    { path: `products/${product}/version.yaml`, text: manifest('Version', product, { images }) },
    { path: `deployments/${product}.yaml`, text: manifest('Deployment', product, { product, node, prefix }) },
  ];
}

/** What `tagboat validate` would say of them together. */
export function checkWritten(files: readonly Written[], node: string, newNode: boolean): readonly Problem[] {
  const known = newNode ? files : [...files, { path: `nodes/${node}.yaml`, text: manifest('Node', node, { type: 'docker' }) }];
  const set = buildManifestSet(known.map(({ path, text }) => ({ path, parsed: parseManifestFile(path, new TextEncoder().encode(text)) })));
  return [...set.problems, ...checkReferences(set)];
}

function manifest(kind: Kind, name: string, spec: unknown): string {
  return stringify({ apiVersion: 'tagboat/v1', kind, metadata: { name }, spec }, { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' });
}

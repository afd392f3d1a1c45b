/** What is in a namespace, by name and owner, read from the objects themselves: after a crash this is all that an attempt knows. */
import type { ApiFailure } from './api-failure.ts';
import { isMissing } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import { patiently } from './api.ts';
import type { ObjectHead } from './informer.ts';
import type { Kind } from './kinds.ts';
import { CLAIM, MANAGED, OTHERS, pathOf } from './kinds.ts';
import { isManaged, type ManagedEntry } from './managed-fields.ts';
import { LABEL, labelValue } from './objects/labels.ts';

export interface Found {
  readonly kind: string;
  readonly metadata: ObjectHead['metadata'];
  /** Carries this target's labels, and was applied by Tagboat (claims that a StatefulSet made of our template included). */
  readonly ours: boolean;
  /** Applied by Tagboat, and somebody has taken labels away that say for whom: the next apply puts them back. */
  readonly lostLabels: boolean;
}

interface Target {
  readonly team: string;
  readonly prefix: string;
}

/** Names alone: nobody needs the content of a Secret to know that it is there. */
const NAMES_ONLY = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/** Everything of the kinds that Tagboat makes, whoever made it. Kinds that the cluster does not have have no objects. */
export async function takeInventory(api: KubeApi, target: Target, until: AbortSignal): Promise<readonly Found[]> {
  const found = await Promise.all(MANAGED.map((kind) => listNames(api, kind, target.prefix, until)));
  return found.flat().map(({ kind, metadata }) => ({ kind, metadata, ours: isOurs(kind, metadata, target), lostLabels: hasLostLabels(metadata, target) }));
}

type Named = { readonly kind: string; readonly metadata: ObjectHead['metadata'] & { readonly managedFields?: readonly ManagedEntry[]; readonly ownerReferences?: readonly unknown[] } };

async function listNames(api: KubeApi, kind: Kind, namespace: string, until: AbortSignal): Promise<Named[]> {
  return patiently(`list ${kind.plural}`, until, async () => {
    const items: Named[] = [];
    for (let next: string | undefined = ''; next !== undefined; ) {
      const page: { items?: ObjectHead[]; metadata?: { continue?: string } } = await api
        .call<{ items?: ObjectHead[]; metadata?: { continue?: string } }>({ method: 'GET', path: pathOf(kind, namespace), accept: NAMES_ONLY, query: { limit: 500, continue: next === '' ? undefined : next } })
        .catch((error: ApiFailure) => {
          if (isMissing(error)) return {};
          throw error;
        });
      items.push(...(page.items ?? []).map(({ metadata }) => ({ kind: kind.kind, metadata })));
      next = page.metadata?.continue === '' ? undefined : page.metadata?.continue;
    }
    return items;
  });
}

/** Labels alone can be copied by hand; who applied it cannot. */
function isOurs(kind: string, metadata: Named['metadata'], { team, prefix }: Target): boolean {
  if (metadata.labels?.[LABEL.team] !== labelValue(team) || metadata.labels[LABEL.prefix] !== prefix) return false;
  return kind === CLAIM.kind || isManaged(metadata.managedFields ?? []);
}

function hasLostLabels({ labels, managedFields }: Named['metadata'], { team, prefix }: Target): boolean {
  const whose: readonly (string | undefined)[] = [labels?.[LABEL.team], labels?.[LABEL.prefix]];
  return isManaged(managedFields ?? []) && whose.includes(undefined) && whose.every((one, index) => one === undefined || one === [labelValue(team), prefix][index]);
}

/** What every namespace gets by itself, from the cluster or from what is commonly installed in it. */
const CUSTOMARY = new Set(['ServiceAccount default', 'ConfigMap kube-root-ca.crt', 'ConfigMap openshift-service-ca.crt', 'ConfigMap istio-ca-root-cert']);

/** Objects of others in the namespace: not ours, not made of ours, not what every namespace has. `Pod web-1` and so on. */
export async function objectsOfOthers(api: KubeApi, target: Target, until: AbortSignal): Promise<readonly string[]> {
  const found = await Promise.all([...MANAGED, ...OTHERS].map((kind) => listNames(api, kind, target.prefix, until)));
  return found.flat().flatMap((one) => {
    const name = `${one.kind} ${one.metadata.name}`;
    const made = one.metadata.labels?.[LABEL.prefix] === target.prefix && (one.metadata.ownerReferences ?? []).length > 0;
    const token = one.kind === 'Secret' && one.metadata.annotations?.['kubernetes.io/service-account.name'] !== undefined;
    // A certificate for our own Ingress goes with it.
    const certificate = one.kind === 'Secret' && one.metadata.annotations?.['cert-manager.io/certificate-name'] !== undefined;
    return CUSTOMARY.has(name) || made || token || certificate || isOurs(one.kind, one.metadata, target) ? [] : [name];
  });
}

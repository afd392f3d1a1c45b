/**
 * A team's part of the cluster: its objects and pods, wherever they are, kept in step by informers while somebody watches, and
 * listed on demand while nobody does or the line is down.
 */
import { setMaxListeners } from 'node:events';
import { isMissing } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import type { Content } from './baseline.ts';
import { Informer, type ObjectHead } from './informer.ts';
import type { Kind } from './kinds.ts';
import { MANAGED, POD, pathOf } from './kinds.ts';
import type { Condition, Pod } from './live.ts';
import { trimPod } from './live.ts';
import { LABEL, labelValue } from './objects/labels.ts';

export interface ManagedObject extends ObjectHead, Omit<Content, 'metadata'> {
  readonly kind: string;
  readonly metadata: ObjectHead['metadata'] & Content['metadata'];
  readonly spec?: unknown;
  readonly data?: unknown;
  /** Of jobs alone. */
  readonly conditions?: readonly Condition[];
}

export interface Picture {
  readonly objects: readonly ManagedObject[];
  readonly pods: readonly Pod[];
}

/** Labels, owners and content; no status, and of secrets not the values. */
function trimObject(kind: Kind): (object: unknown) => ManagedObject {
  return (object) => {
    const raw = object as ManagedObject & { readonly status?: { readonly conditions?: readonly Condition[] } };
    const { metadata, spec, data } = raw;
    const hidden = kind.kind === 'Secret' && data !== undefined ? Object.fromEntries(Object.keys(data as object).map((key) => [key, ''])) : data;
    const { type, immutable } = raw as unknown as { readonly type?: unknown; readonly immutable?: unknown };
    return {
      kind: kind.kind,
      metadata,
      ...(spec !== undefined && { spec }),
      ...(hidden !== undefined && { data: hidden }),
      ...(type !== undefined && { type }),
      ...(immutable !== undefined && { immutable }),
      ...(kind.kind === 'Job' && { conditions: raw.status?.conditions ?? [] }),
    };
  };
}

export class ClusterView {
  readonly #api: KubeApi;
  readonly #team: string;
  #objects: readonly Informer<ManagedObject>[] = [];
  #pods: Informer<Pod> | undefined;

  constructor(api: KubeApi, team: string) {
    this.#api = api;
    this.#team = team;
  }

  /** Until the signal aborts. Calls back with the prefix of what changed, undefined for everything. */
  async run(onChange: (prefix: string | undefined) => void, signal: AbortSignal): Promise<void> {
    const options = { api: this.#api, namespace: undefined, labelSelector: this.#selector(), onChange: (object: ObjectHead | undefined) => onChange(object?.metadata.labels?.[LABEL.prefix]) };
    // Each of the informers waits on it.
    setMaxListeners(0, signal);
    const pods = new Informer<Pod>({ ...options, kind: POD, trim: trimPod });
    this.#objects = MANAGED.map((kind) => new Informer<ManagedObject>({ ...options, kind, trim: trimObject(kind) }));
    this.#pods = pods;
    try {
      await Promise.all([...this.#objects, pods].map((informer) => informer.run(signal)));
    } finally {
      this.#objects = [];
      this.#pods = undefined;
    }
  }

  #selector(): string {
    return `${LABEL.team}=${labelValue(this.#team)}`;
  }

  async picture(signal: AbortSignal): Promise<Picture> {
    const pods = this.#pods;
    if (pods?.synced === true && this.#objects.every((informer) => informer.synced)) return { objects: this.#objects.flatMap((informer) => [...informer.items]), pods: [...pods.items] };
    return this.listed(undefined, signal);
  }

  /** Asked for now. @param namespace undefined for every one. */
  async listed(namespace: string | undefined, signal: AbortSignal): Promise<Picture> {
    const [listedPods, ...objects] = await Promise.all([this.#list(POD, namespace, trimPod, signal), ...MANAGED.map((kind) => this.#list(kind, namespace, trimObject(kind), signal))]);
    return { pods: listedPods, objects: objects.flat() };
  }

  async #list<T extends ObjectHead>(kind: Kind, namespace: string | undefined, trim: (object: unknown) => T, signal: AbortSignal): Promise<T[]> {
    const { items = [] } = await this.#api.call<{ items?: unknown[] }>({ method: 'GET', path: pathOf(kind, namespace), query: { labelSelector: this.#selector() } }, signal).catch((error: unknown) => {
      if (isMissing(error)) return { items: [] };
      throw error;
    });
    return items.map(trim);
  }
}

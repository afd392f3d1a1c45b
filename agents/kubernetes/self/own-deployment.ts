/** The Deployment that this agent is a pod of, as the API server has it: read with `list` and changed with `patch`, which an agent may do anyway. */
import { ApiFailure } from '../api-failure.ts';
import type { KubeApi } from '../api.ts';
import { EVENT, kindOf, pathOf, POD } from '../kinds.ts';
import { trimEvent, trimPod } from '../live.ts';
import type { LiveEvent } from '../live.ts';
import type { Deployment, OwnPod } from './record.ts';

/** Whose fields these are, beside those of `kubectl`. */
const MANAGER = 'tagboat-agent-exchange';
const LINES_SHOWN = 6;
const TEXT_SHOWN = 1_200;
const LOG_BYTES = 64 * 1024;

export interface Sight {
  readonly deployment: Deployment | undefined;
  /** Of the Deployment, those of before and those on their way out included. */
  readonly pods: readonly OwnPod[];
  /** The one that this process is in. */
  readonly own: OwnPod | undefined;
}

export interface Place {
  readonly namespace: string;
  /** Of the Deployment. */
  readonly name: string;
  /** Of the pod of this process. */
  readonly pod: string;
}

export class OwnDeployment {
  readonly #api: KubeApi;
  readonly #place: Place;

  constructor(api: KubeApi, place: Place) {
    this.#api = api;
    this.#place = place;
  }

  /** Throws ApiFailure. */
  async look(signal?: AbortSignal): Promise<Sight> {
    const { namespace, name, pod } = this.#place;
    const [deployment] = await this.#list<Deployment>(pathOf(kindOf('Deployment'), namespace), { fieldSelector: `metadata.name=${name}` }, signal);
    const labels = Object.entries(deployment?.spec.selector.matchLabels ?? {});
    const query = labels.length === 0 ? { fieldSelector: `metadata.name=${pod}` } : { labelSelector: labels.map(([key, value]) => `${key}=${value}`).join(',') };
    const items = await this.#list(pathOf(POD, namespace), query, signal);
    const pods = items.map(ownPod);
    return { deployment, pods, own: pods.find(({ metadata }) => metadata.name === pod) };
  }

  /** False where somebody else was faster. Throws ApiFailure; where no answer came it may have been done all the same. */
  async change(body: object, options: { readonly dryRun?: boolean } = {}): Promise<boolean> {
    const { namespace, name } = this.#place;
    const query = { fieldManager: MANAGER, ...(options.dryRun === true && { dryRun: 'All' }) };
    try {
      await this.#api.call({ method: 'PATCH', path: pathOf(kindOf('Deployment'), namespace, name), query, contentType: 'application/merge-patch+json', body });
      return true;
    } catch (error) {
      if (error instanceof ApiFailure && error.status === 409) return false;
      throw error;
    }
  }

  async eventsOf(pod: OwnPod, signal: AbortSignal): Promise<readonly LiveEvent[]> {
    return (await this.#list(pathOf(EVENT, this.#place.namespace), { fieldSelector: `involvedObject.name=${pod.metadata.name}` }, signal)).map(trimEvent);
  }

  /** In one line, the end of it. Never throws. */
  async lastLines(pod: string, container: string, previous: boolean, signal: AbortSignal): Promise<string> {
    try {
      const query = { container, previous, tailLines: LINES_SHOWN, limitBytes: LOG_BYTES };
      const body = await this.#api.stream({ method: 'GET', path: `${pathOf(POD, this.#place.namespace, pod)}/log`, accept: '*/*', query }, signal);
      let text = '';
      for await (const part of body) text = (text + String(part)).slice(-LOG_BYTES);
      return text.trim().split('\n').join(' | ').slice(-TEXT_SHOWN) || 'it said nothing';
    } catch {
      return 'its log cannot be had';
    }
  }

  async #list<T>(path: string, query: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<readonly T[]> {
    return (await this.#api.call<{ readonly items?: readonly T[] }>({ method: 'GET', path, query }, signal)).items ?? [];
  }
}

function ownPod(object: unknown): OwnPod {
  const { spec } = object as { readonly spec?: { readonly containers?: readonly { readonly name: string; readonly image?: string }[] } };
  return { ...trimPod(object), images: Object.fromEntries((spec?.containers ?? []).map(({ name, image }) => [name, image ?? ''])) };
}

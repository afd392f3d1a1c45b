/**
 * The kinds of API objects that Tagboat makes, in the order in which they are applied, and the paths under which the API has them.
 * What stands here is what the agent's role has to grant.
 */
export interface Kind {
  readonly kind: string;
  readonly apiVersion: string;
  readonly plural: string;
}

const NAMESPACE: Kind = { kind: 'Namespace', apiVersion: 'v1', plural: 'namespaces' };
export const POD: Kind = { kind: 'Pod', apiVersion: 'v1', plural: 'pods' };
export const EVENT: Kind = { kind: 'Event', apiVersion: 'v1', plural: 'events' };
export const CLAIM: Kind = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', plural: 'persistentvolumeclaims' };
export const SERVICE_MONITOR: Kind = { kind: 'ServiceMonitor', apiVersion: 'monitoring.coreos.com/v1', plural: 'servicemonitors' };

export const WORKLOADS: readonly Kind[] = [
  { kind: 'Deployment', apiVersion: 'apps/v1', plural: 'deployments' },
  { kind: 'StatefulSet', apiVersion: 'apps/v1', plural: 'statefulsets' },
  { kind: 'Job', apiVersion: 'batch/v1', plural: 'jobs' },
];

export const MANAGED: readonly Kind[] = [
  { kind: 'ConfigMap', apiVersion: 'v1', plural: 'configmaps' },
  { kind: 'Secret', apiVersion: 'v1', plural: 'secrets' },
  CLAIM,
  { kind: 'Service', apiVersion: 'v1', plural: 'services' },
  ...WORKLOADS,
  { kind: 'Ingress', apiVersion: 'networking.k8s.io/v1', plural: 'ingresses' },
  SERVICE_MONITOR,
];

/** Looked at besides, to know whether a namespace holds something of somebody else. */
export const OTHERS: readonly Kind[] = [
  POD,
  { kind: 'ServiceAccount', apiVersion: 'v1', plural: 'serviceaccounts' },
  { kind: 'DaemonSet', apiVersion: 'apps/v1', plural: 'daemonsets' },
];

const BY_NAME = new Map([NAMESPACE, ...MANAGED, ...OTHERS].map((kind) => [kind.kind, kind]));

export function kindOf(name: string): Kind {
  const kind = BY_NAME.get(name);
  if (kind === undefined) throw new RangeError(`no kind ${name} is known here`);
  return kind;
}

/** @param namespace undefined for every namespace. */
export function pathOf(kind: Kind, namespace: string | undefined, name?: string): string {
  const root = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
  const place = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${place}/${kind.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

export function namespacePath(name: string): string {
  return pathOf(NAMESPACE, undefined, name);
}

/**
 * What an agent may do in its cluster: exactly what it does, no verb more. A test runs every operation under these rights and compares
 * them with the requests that were made; change them together with the engine.
 */

/** A rule of a ClusterRole, in the words of `rbac.authorization.k8s.io/v1`. */
export interface ClusterRight {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** For every kind of object that a deployment is made of: laid down by apply, found again by its labels, watched, cleared away. */
const OWN = ['list', 'watch', 'create', 'patch', 'delete'] as const;

export const CLUSTER_RIGHTS: readonly ClusterRight[] = [
  { apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'create', 'patch', 'delete'] },
  { apiGroups: [''], resources: ['configmaps', 'persistentvolumeclaims', 'secrets', 'services'], verbs: OWN },
  { apiGroups: ['apps'], resources: ['deployments', 'statefulsets'], verbs: OWN },
  { apiGroups: ['batch'], resources: ['jobs'], verbs: OWN },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses'], verbs: OWN },
  { apiGroups: ['monitoring.coreos.com'], resources: ['servicemonitors'], verbs: OWN },
  // How it is going, and why not.
  { apiGroups: [''], resources: ['events'], verbs: ['list', 'watch'] },
  // A pod that holds a rollout up is removed, so that it comes anew.
  { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch', 'delete'] },
  { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
  // Whether a namespace holds something of somebody else.
  { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['list'] },
  { apiGroups: ['apps'], resources: ['daemonsets'], verbs: ['list'] },
];

/** The one manifest that puts an agent into a cluster (R4): for `kubectl apply -f -`, with nothing to fill in. */
import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import { CLUSTER_RIGHTS } from './cluster-rights.ts';

export interface ClusterAgent {
  readonly team: string;
  readonly node: string;
  /** Of the agent, as the cluster pulls it. */
  readonly image: string;
  /** The word with the single-use token; the manifest is as secret as it is. */
  readonly join: string;
  readonly expiresAt: Date;
}

const NAMESPACE = 'tagboat-system';
const DIRECTORY = '/var/lib/tagboat/agent';
/** The user `node` of the image. */
const USER = 1000;
const LABEL_LENGTH = 63;

/**
 * YAML of Namespace, ServiceAccount, ClusterRole, ClusterRoleBinding, Secret and Deployment. Names hold team and node, so agents of several
 * teams get along in one cluster. No label is one of those by which an agent knows what it deployed: an agent never touches itself. A new word
 * restarts the pod, which is how a node that was revoked comes back.
 */
export function clusterAgentManifest({ team, node, image, join, expiresAt }: ClusterAgent): string {
  const instance = instanceName(team, node);
  const name = `tagboat-agent-${instance}`;
  const labels = { 'app.kubernetes.io/name': 'tagboat-agent', 'app.kubernetes.io/instance': instance, 'app.kubernetes.io/managed-by': 'tagboat' };
  const metadata = { name, namespace: NAMESPACE, labels };
  const documents = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name, labels }, rules: CLUSTER_RIGHTS },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name, labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: NAMESPACE }],
    },
    { apiVersion: 'v1', kind: 'Secret', metadata: { ...metadata, name: `${name}-join` }, type: 'Opaque', stringData: { join } },
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 1, strategy: { type: 'Recreate' }, selector: { matchLabels: labels }, template: { metadata: { labels, annotations: { 'tagboat.dev/join': digest(join).slice(0, 16) } }, spec: pod(name, image) } } },
  ];
  const head = `# The agent of node ${node} of team ${team}. It holds a secret that lets one agent in, until ${expiresAt.toISOString()}.\n`;
  return head + documents.map((document) => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n');
}

/** One process without privileges. The directory is a scratch one: what has to outlive the pod is kept in Secrets beside it. */
function pod(name: string, image: string): object {
  return {
    serviceAccountName: name,
    securityContext: { runAsNonRoot: true, runAsUser: USER, runAsGroup: USER, fsGroup: USER, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'agent',
        image,
        imagePullPolicy: 'IfNotPresent',
        args: ['agent', 'kubernetes', '--join-file', '/run/tagboat/join', '--directory', DIRECTORY, '--state', `${NAMESPACE}/${name}`],
        // By which it finds itself among the pods, to exchange itself for another version.
        env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
        readinessProbe: { exec: { command: ['test', '-e', `${DIRECTORY}/.connected`] }, periodSeconds: 5, timeoutSeconds: 5 },
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
        resources: { requests: { cpu: '50m', memory: '192Mi' }, limits: { memory: '512Mi' } },
        volumeMounts: [
          { name: 'state', mountPath: '/var/lib/tagboat' },
          { name: 'join', mountPath: '/run/tagboat', readOnly: true },
        ],
      },
    ],
    volumes: [
      { name: 'state', emptyDir: { sizeLimit: '256Mi' } },
      { name: 'join', secret: { secretName: `${name}-join`, defaultMode: 0o440 } },
    ],
  };
}

/** `<team>-<node>`; where that could be read in two ways, or is too long for a label, a digest is at its end. */
function instanceName(team: string, node: string): string {
  const whole = `${team}-${node}`;
  const room = LABEL_LENGTH - 'tagboat-agent-'.length - '-join'.length;
  if (whole.length <= room && !team.includes('-') && !node.includes('-')) return whole;
  return `${whole.slice(0, room - 9).replace(/-+$/, '')}-${digest(`${team}/${node}`).slice(0, 8)}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

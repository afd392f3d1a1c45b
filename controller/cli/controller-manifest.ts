/** The controller as objects of a cluster, for `kubectl apply -f -`: two replicas on a PostgreSQL elsewhere, Services, a ConfigMap with its configuration. PURE. */
import { parseDocument, stringify } from 'yaml';

export interface ControllerManifest {
  readonly namespace: string;
  /** Of controller and agents, as the cluster pulls it. */
  readonly image: string;
  /** Text of a tagboat.yaml, without secrets; null for one to fill in. */
  readonly config: string | null;
  readonly replicas: number;
}

const NAME = 'tagboat';
/** The user `node` of the image. */
const USER = 1000;
/** Every key of the Secret is a file here, as the examples of the configuration name them. */
const SECRETS = '/run/secrets';
const LABELS = { 'app.kubernetes.io/name': NAME, 'app.kubernetes.io/component': 'controller' };

const TO_FILL_IN = `# Restart the Deployment after a change: kubectl rollout restart deployment/tagboat
publicUrl: https://tagboat.example.org         # an Ingress with TLS of yours, to port 80 of the Service tagboat
agentAddress: agents.example.org:8443          # the Service tagboat-agents, as agents outside reach it
enrolAddress: agents.example.org:8444
teams:
  - name: acme
    repository: https://git.example.org/acme/deployments.git
    branch: main
    poll: "*/10 * * * * *"
    credentials: { type: token, token: { file: /run/secrets/git-token } }
`;

/**
 * YAML of Namespace, ConfigMap, Services, PodDisruptionBudget and Deployment. No Secret: applying a placeholder again would replace the encryption
 * key, without which the stored authority is lost; the head of the text says how to make it once.
 */
export function controllerManifest({ namespace, image, config, replicas }: ControllerManifest): string {
  const metadata = (name: string): object => ({ name, namespace, labels: LABELS });
  const text = config ?? TO_FILL_IN;
  const documents = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(NAME), data: { 'tagboat.yaml': text } },
    { apiVersion: 'v1', kind: 'Service', metadata: metadata(NAME), spec: { selector: LABELS, ports: [{ name: 'http', port: 80, targetPort: 'http' }] } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(`${NAME}-agents`),
      // TLS goes through to the controller, which is who the certificates of both sides are for.
      spec: { type: 'LoadBalancer', selector: LABELS, ports: [{ name: 'agents', port: 8443, targetPort: 'agents' }, { name: 'enrolment', port: 8444, targetPort: 'enrolment' }] },
    },
    ...(replicas > 1 ? [{ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: metadata(NAME), spec: { minAvailable: 1, selector: { matchLabels: LABELS } } }] : []),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata(NAME),
      spec: { replicas, strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }, selector: { matchLabels: LABELS }, template: { metadata: { labels: LABELS }, spec: pod(image, namesAgentImage(text)) } },
    },
  ];
  return head(namespace) + documents.map((document) => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n');
}

function head(namespace: string): string {
  return `# What is secret is made once, by hand, with every file that the configuration names below ${SECRETS}. Keep the encryption key: without it
# the authority of the agents, which is in the database, does not open.
#
#   kubectl create namespace ${namespace}
#   kubectl create secret generic ${NAME} --namespace ${namespace} \\
#     --from-literal=database-url=postgres://USER:PASSWORD@HOST:5432/tagboat \\
#     --from-literal=encryption-key="$(openssl rand -base64 32)" \\
#     --from-literal=operator-token="tgo_$(openssl rand -hex 32)" \\
#     --from-literal=git-token=TOKEN
`;
}

/** Without rights in the cluster or on its machine. What it writes is a cache: repositories are fetched anew by a pod elsewhere. */
function pod(image: string, agentImageNamed: boolean): object {
  const probe = (path: string, more: object): object => ({ httpGet: { path, port: 'http' }, timeoutSeconds: 5, ...more });
  return {
    automountServiceAccountToken: false,
    // Variables of Services (TAGBOAT_PORT …) would be read as configuration.
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    securityContext: { runAsNonRoot: true, runAsUser: USER, runAsGroup: USER, fsGroup: USER, seccompProfile: { type: 'RuntimeDefault' } },
    affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: LABELS } } }] } },
    containers: [
      {
        name: 'controller',
        image,
        imagePullPolicy: 'IfNotPresent',
        args: ['controller', '--config', '/etc/tagboat/tagboat.yaml'],
        env: [
          { name: 'TAGBOAT_DATABASE_URL', valueFrom: { secretKeyRef: { name: NAME, key: 'database-url' } } },
          { name: 'TAGBOAT_ENCRYPTION_KEY_FILE', value: `${SECRETS}/encryption-key` },
          { name: 'TAGBOAT_OPERATOR_TOKEN_FILE', value: `${SECRETS}/operator-token` },
          // Replicas ask each other for logs, by their own addresses and past the Service.
          { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'TAGBOAT_REPLICA_ADDRESS', value: '$(POD_IP):8443' },
          ...(agentImageNamed ? [] : [{ name: 'TAGBOAT_AGENT_IMAGE', value: image }]),
        ],
        ports: [{ name: 'http', containerPort: 8080 }, { name: 'agents', containerPort: 8443 }, { name: 'enrolment', containerPort: 8444 }],
        startupProbe: probe('/healthz', { periodSeconds: 2, failureThreshold: 60 }),
        livenessProbe: probe('/healthz', { periodSeconds: 10, failureThreshold: 6 }),
        readinessProbe: probe('/readyz', { periodSeconds: 5 }),
        // Until the Services have forgotten it.
        lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } },
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
        resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } },
        volumeMounts: [
          { name: 'config', mountPath: '/etc/tagboat', readOnly: true },
          { name: 'secrets', mountPath: SECRETS, readOnly: true },
          { name: 'state', mountPath: '/var/lib/tagboat' },
          { name: 'tmp', mountPath: '/tmp' },
        ],
      },
    ],
    volumes: [
      { name: 'config', configMap: { name: NAME } },
      { name: 'secrets', secret: { secretName: NAME, defaultMode: 0o440 } },
      { name: 'state', emptyDir: { sizeLimit: '5Gi' } },
      { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
    ],
  };
}

/** Throws an Error with the first fault of a text that is no YAML. */
function namesAgentImage(config: string): boolean {
  const document = parseDocument(config);
  if (document.errors[0] !== undefined) throw new Error(document.errors[0].message);
  return document.has('agentImage');
}

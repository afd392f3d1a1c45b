/** A set with every field that a cluster honours, for tests that look at each of them. Its values of secrets are the words that `opener` opens. */
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import type { SecretOpener } from '../core/engine.ts';
import type { SpecImage } from './spec.ts';

/** `sealed-word` opens to `word`. */
export const opener: SecretOpener = { open: ({ sealed }) => Promise.resolve(Buffer.from((sealed['harbor'] ?? '').replace(/^sealed-/, ''))) };

const sealed = (word: string) => ({ sealed: { harbor: `sealed-${word}` } });

/** @param storageClass one that volumes wait for. */
export function everythingInACluster(storageClass: string): Readonly<Record<string, SpecImage>> {
  const all: ContainerConfig = {
    environment: { REGION: 'eu', EMPTY: '', EQUALS: 'a=b', DOLLAR: '$(REGION) $$', NUMBER: '4', 'dotted.name': 'yes' },
    secrets: { PASSWORD: sealed('canary-password'), KEY: { ...sealed('canary-file'), file: '/run/keys/key', mode: '0400' } },
    command: ['sh'],
    args: ['-c', 'echo "$REGION|$EMPTY|$EQUALS|$DOLLAR|$NUMBER|$PASSWORD|$(cat /run/keys/key)|$(pwd)|$(id -u):$(id -g)|$(cat /conf/index.html)|$(cat /data/imported)|$(cat /data/init)"; touch /scratch/started; exec httpd -f -p 8080 -h /conf'],
    user: '1000:1000',
    workingDirectory: '/tmp',
    tty: true,
    ports: [{ internal: 8080, external: 80 }, { internal: 53, external: 5353, protocol: 'udp' }, { internal: 9000 }],
    portRanges: [{ internal: { from: 7000, to: 7002 }, external: { from: 27000, to: 27002 } }],
    volumes: [
      { name: 'data', path: '/data', size: '5Mi', class: storageClass, accessMode: 'ReadWriteMany' },
      { path: '/host', type: 'bind', source: '/tmp', readOnly: true },
      { path: '/scratch', type: 'tmpfs', size: '1Mi' },
      { name: 'conf', path: '/conf', type: 'memory' },
    ],
    configContainer: { image: 'nginx:1.27', volume: 'conf', path: '/www', keepFiles: true },
    importContainer: { image: 'busybox:1.36', volume: 'data', command: ['sh', '-c', 'echo "$FROM $TOKEN" > /data/imported; chmod 777 /data'], environment: { FROM: 'store' }, secrets: { TOKEN: sealed('canary-token') } },
    initContainers: [
      {
        name: 'prepare',
        image: 'busybox:1.36',
        command: ['sh'],
        args: ['-c', 'echo "$REGION $PASSWORD $STEP $OWN" > /seen/init'],
        environment: { STEP: 'all' },
        secrets: { OWN: sealed('canary-own') },
        useParentConfig: true,
        volumes: [{ name: 'data', path: '/seen' }],
      },
    ],
    capabilities: { add: ['NET_ADMIN', 'SYS_TIME'], drop: ['MKNOD'] },
    routing: { domain: 'shop.example.org', path: '/api', stripPath: true, uploadLimit: '20Mi', port: 8080 },
    expose: 'https',
    resources: { limits: { cpu: '0.5', memory: '64Mi' }, requests: { cpu: '0.01', memory: '16Mi' } },
    healthCheck: {
      tcp: { port: 8080 },
      interval: '1s',
      start: { command: ['test', '-e', '/scratch/started'], interval: '1s', retries: 120 },
      live: { http: { path: '/index.html', port: 8080 }, interval: '2s', retries: 30, startPeriod: '1s' },
      ready: { http: { path: '/', port: 8080 }, interval: '1500ms', timeout: '800ms', retries: 5 },
    },
    replicas: 2,
    restartPolicy: 'unless-stopped',
    labels: { tier: 'web', 'tagboat.dev/team': 'forged' },
    expectedState: { state: 'running', timeout: '2m' },
    stopGrace: '1500ms',
    strategy: 'start-first',
    kubernetes: {
      deploymentStrategy: 'rolling',
      proxyHeaders: true,
      customHeaders: ['X-Shop-Region'],
      useLoadBalancer: true,
      loadBalancerAnnotations: { 'example.org/size': 'small' },
      annotations: { deployment: { note: 'of the deployment' }, service: { note: 'of the service' }, ingress: { note: 'of the ingress' } },
      labels: { deployment: { part: 'deployment' }, service: { part: 'service' }, ingress: { part: 'ingress' } },
      metrics: { port: 9100, path: '/stats' },
      ingressClass: 'nginx',
      issuer: 'letsencrypt',
      forceConflicts: false,
    },
  };
  return {
    all: { image: 'busybox:1.36', config: all },
    // `name` names the workload; the Service keeps the image's.
    named: { image: 'tagboat-test-web:1.0.0', config: { name: 'frontend', environment: { REGION: 'eu' }, ports: [{ internal: 8080 }], healthCheck: { http: { port: 8080 }, startPeriod: '1s' }, expose: 'http', strategy: 'recreate' }, strategy: 'recreate' },
    many: { image: 'tagboat-test-db:16', config: { replicas: 2, volumes: [{ name: 'own', path: '/data', size: '1Mi', class: storageClass }], healthCheck: { settle: '1s' } } },
    job: { image: 'busybox:1.36', config: { command: ['sh', '-c', 'echo done; exit 3'], expectedState: { state: 'exited', exitCode: 3 }, restartPolicy: 'no' } },
    none: { image: 'busybox:1.36', config: { replicas: 0 } },
  };
}

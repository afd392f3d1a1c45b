/** Manifests for the end-to-end stories, and the engine they run on. */
import Dockerode from 'dockerode';

/** Told loudly where there is no engine; CI demands one (TAGBOAT_REQUIRE_ENGINE). */
export async function dockerOrSkip(what: string): Promise<Dockerode | null> {
  const host = process.env['DOCKER_HOST'];
  const socketPath = host?.startsWith('unix://') ? host.slice('unix://'.length) : '/var/run/docker.sock';
  const docker = new Dockerode({ socketPath, timeout: 120_000 });
  try {
    await docker.ping();
    return docker;
  } catch (error) {
    console.log(`SKIPPED ${what}: needs a Docker engine; start one and set DOCKER_HOST`);
    if (process.env['TAGBOAT_REQUIRE_ENGINE'] === '1') throw new Error(`${what} needs a Docker engine, and none answers`, { cause: error });
    return null;
  }
}

/** Removes every container, volume and network of these prefixes. */
export async function sweepPrefixes(docker: Dockerode, prefixes: readonly string[]): Promise<void> {
  const mine = (name: string): boolean => prefixes.some((prefix) => name === prefix || name.startsWith(`${prefix}-`));
  for (const container of await docker.listContainers({ all: true })) {
    if (container.Names.some((name) => mine(name.slice(1)))) await docker.getContainer(container.Id).remove({ force: true }).catch(() => undefined);
  }
  for (const network of await docker.listNetworks()) if (mine(network.Name)) await docker.getNetwork(network.Id).remove().catch(() => undefined);
  for (const volume of (await docker.listVolumes()).Volumes) if (mine(volume.Name)) await docker.getVolume(volume.Name).remove().catch(() => undefined);
}

export const NODE = `apiVersion: tagboat/v1
kind: Node
metadata: { name: harbor }
spec: { type: docker }
`;

export const PRODUCT = `apiVersion: tagboat/v1
kind: Product
metadata: { name: shop }
spec: { type: complex }
`;

/** Whether a web server with this configuration is never to become good. */
export const isSick = (config = ''): boolean => config.includes('HEALTHY: "0"');

/** A web server with a health check and a database with a volume. There is patience with a web server that is to become good: machines of tests are busy. */
export function versionManifest(tag: string, config = '', retries = isSick(config) ? 10 : 200): string {
  return `apiVersion: tagboat/v1
kind: Version
metadata: { name: shop }
spec:
  images:
    - name: db
      image: tagboat-test-db:16
      config:
        volumes: [ { name: data, path: /data } ]
        stopGrace: 1s
        healthCheck: { settle: 200ms }
    - name: web
      image: tagboat-test-web:${tag}
      dependsOn: [ db ]
      config:
        stopGrace: 1s
        healthCheck: { http: { path: /healthz, port: 8080 }, interval: 200ms, retries: ${retries} }
${config}`;
}

export function deploymentManifest(prefix: string, more: string): string {
  return `apiVersion: tagboat/v1
kind: Deployment
metadata: { name: shop }
spec:
  product: shop
  node: harbor
  prefix: ${prefix}
  retries: 0
${more}`;
}

import type { Engine } from '../core/engine.ts';
import { createContainerEngine } from '../containers/engine.ts';
import { Certificates, type CertificateOptions } from './certificates/certificates.ts';
import { connectDocker, type DockerConnection } from './connect.ts';
import { ContainerExchange, type ContainerExchangeOptions } from './self/container-exchange.ts';
import { ownIdFromMounts } from './self/own-container.ts';
import { DockerRuntime } from './docker-runtime.ts';
import { HaproxyRouter } from './proxy/haproxy-router.ts';
import type { ProxyOptions } from './proxy/proxy-container.ts';

export interface DockerEngineOptions extends DockerConnection {
  readonly proxy?: Partial<ProxyOptions>;
  /** Without it there is no certificate for anything. */
  readonly certificates?: CertificateOptions;
}

const PROXY: ProxyOptions = { name: 'tagboat-proxy', image: 'haproxy:2.6', httpPort: 80, httpsPort: 443 };

/** The engine of one Docker host. Connects with the first call; nothing to close. */
export function createDockerEngine(options: DockerEngineOptions = {}): Engine {
  const connected = connectDocker(options);
  const runtime = new DockerRuntime(connected);
  const certificates = options.certificates === undefined ? undefined : new Certificates(options.certificates);
  return createContainerEngine(runtime, new HaproxyRouter(connected.docker, runtime, { ...PROXY, ...options.proxy }, certificates));
}

/** How the container of this process becomes another version of it; undefined where it is in none. */
export function createContainerExchange(options: DockerConnection & Pick<ContainerExchangeOptions, 'directory' | 'deadlineMs' | 'log'>): ContainerExchange | undefined {
  const ownId = ownIdFromMounts();
  return ownId === undefined ? undefined : new ContainerExchange({ ...connectDocker(options), ...options, ownId });
}

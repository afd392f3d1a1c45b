import type { Engine } from '../core/engine.ts';
import { createContainerEngine } from '../containers/engine.ts';
import { Certificates, type CertificateOptions } from './certificates/certificates.ts';
import { connectDocker, type DockerConnection } from './connect.ts';
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

/** Where the engine is: explicit options, else the environment as the `docker` command reads it, else the usual socket. */
import Docker from 'dockerode';
import { hostname } from 'node:os';
import type { DockerRuntimeOptions } from './docker-runtime.ts';
import { ownIdFromMounts } from './self/own-container.ts';

export interface DockerConnection {
  readonly socketPath?: string;
  /** `unix:///run/docker.sock` or `tcp://host:2375`, as in DOCKER_HOST. */
  readonly host?: string;
}

/**
 * No API version in the path: the engine then speaks its own, and one that no longer speaks an old version is no problem. Written
 * against 1.41 (Docker 20.10); DOCKER_API_VERSION pins it, as for the `docker` command.
 */
const PINNED = process.env['DOCKER_API_VERSION'];
const API = PINNED === undefined || PINNED === '' ? {} : { version: `v${PINNED.replace(/^v/, '')}` };
const LOOPBACK = '127.0.0.1';

export function connectDocker(connection: DockerConnection): DockerRuntimeOptions {
  const host = connection.socketPath !== undefined ? `unix://${connection.socketPath}` : connection.host;
  const isSelf = ownContainer();
  if (host === undefined) {
    // dockerode reads DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH itself.
    const fromEnvironment = process.env['DOCKER_HOST'] ?? '';
    return { docker: new Docker({ ...API }), ...placeOf(fromEnvironment), isSelf };
  }
  if (host.startsWith('unix://')) return { docker: new Docker({ socketPath: host.slice('unix://'.length), ...API }), ...placeOf(host), isSelf };
  const url = new URL(host.includes('//') ? host : `tcp://${host}`);
  const docker = new Docker({ host: url.hostname, port: Number(url.port || '2375'), protocol: url.protocol === 'https:' ? 'https' : 'http', ...API });
  return { docker, ...placeOf(host), isSelf };
}

function placeOf(host: string): { engineHost: string; remote: boolean } {
  if (host === '' || host.startsWith('unix://') || host.startsWith('npipe://')) return { engineHost: LOOPBACK, remote: false };
  const { hostname: name } = new URL(host.includes('//') ? host : `tcp://${host}`);
  const local = name === 'localhost' || name === LOOPBACK || name === '[::1]';
  return { engineHost: name, remote: !local };
}

/** The id of the container that the agent itself runs in, by its mounts or its host name (Docker's default is the short id). */
function ownContainer(): (id: string) => boolean {
  const own = ownIdFromMounts();
  const name = hostname();
  const short = /^[0-9a-f]{12}$/.test(name) ? name : undefined;
  return (id) => id === own || (short !== undefined && id.startsWith(short));
}

import type { Engine } from '../core/engine.ts';
import { createContainerEngine } from '../containers/engine.ts';
import { connectDocker, type DockerConnection } from './connect.ts';
import { DockerRuntime } from './docker-runtime.ts';

export type DockerEngineOptions = DockerConnection;

/** The engine of one Docker host. Connects with the first call; nothing to close. */
export function createDockerEngine(options: DockerEngineOptions = {}): Engine {
  return createContainerEngine(new DockerRuntime(connectDocker(options)));
}

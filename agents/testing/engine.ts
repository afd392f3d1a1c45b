/**
 * The Docker engine of the tests: only one that was started for tests (`.ci/engine` exports TAGBOAT_TEST_REGISTRY beside
 * DOCKER_HOST), never the engine that a person works with.
 */
import type Docker from 'dockerode';
import { randomBytes } from 'node:crypto';
import { LABEL } from '../containers/labels.ts';
import { connectDocker } from '../docker/connect.ts';
import { isThere } from '../docker/docker-runtime.ts';
import { createDockerEngine } from '../docker/engine.ts';
import type { Engine } from '../core/engine.ts';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { specOf, type SpecImage } from './spec.ts';

export interface EngineWorld {
  readonly docker: Docker;
  readonly engine: Engine;
  readonly host: string;
  /** Of this test file alone: what carries its label is removed at the end. */
  readonly team: string;
  readonly registry: string;
  spec(prefix: string, images: Readonly<Record<string, SpecImage>>, more?: Partial<TargetSpec>): TargetSpec;
  /** Unique on the engine. */
  prefix(name: string): string;
  cleanUp(): Promise<void>;
}

/** Undefined where there is none, said loudly; with TAGBOAT_REQUIRE_ENGINE (in CI) that is an error. */
export function engineForTests(theme: string): EngineWorld | undefined {
  const host = process.env['DOCKER_HOST'];
  const registry = process.env['TAGBOAT_TEST_REGISTRY'];
  if (host === undefined || registry === undefined) {
    if (process.env['TAGBOAT_REQUIRE_ENGINE'] !== undefined) throw new Error('these tests need the engine of .ci/engine, and TAGBOAT_REQUIRE_ENGINE forbids to skip them');
    process.stderr.write(`\n!!! SKIPPED: ${theme}: no test engine. Start one with: eval "$(.ci/engine start DIR)"\n\n`);
    return undefined;
  }
  const { docker } = connectDocker({ host });
  const mark = randomBytes(3).toString('hex');
  const team = `test-${theme}-${mark}`;
  return {
    docker,
    engine: createDockerEngine({ host }),
    host,
    team,
    registry,
    spec: (prefix, images, more) => specOf(prefix, images, { team, ...more }),
    prefix: (name) => `${name}-${mark}`,
    cleanUp: () => removeAll(docker, team),
  };
}

async function removeAll(docker: Docker, team: string): Promise<void> {
  const filters = { label: [`${LABEL.team}=${team}`] };
  const containers = await docker.listContainers({ all: true, filters });
  await Promise.all(containers.map((one) => docker.getContainer(one.Id).remove({ force: true }).catch(() => undefined)));
  for (const network of await docker.listNetworks({ filters })) await docker.getNetwork(network.Id).remove().catch(() => undefined);
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  for (const volume of volumes ?? []) await docker.getVolume(volume.Name).remove().catch(() => undefined);
}

/** All containers that the engine has, or those with every one of these labels. */
export async function containersOf(docker: Docker, ...labels: readonly string[]): Promise<readonly Docker.ContainerInfo[]> {
  return (await docker.listContainers({ all: true, filters: { label: [...labels] } })).filter(isThere);
}

/** Its name, once the engine has it: what a test makes by hand is pulled by nobody else. */
export async function pulled(docker: Docker, image: string): Promise<string> {
  for await (const _chunk of (await docker.createImage({ fromImage: image })) as AsyncIterable<Buffer>);
  return image;
}

/** Polls until the condition holds; throws after a minute. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited a minute for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Another version of Tagboat, taken out of its image: a container is made of it that is never started, copied from, and removed. */
import type Docker from 'dockerode';
import type { Container } from 'dockerode';
import { mkdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { satisfies } from 'semver';
import { change, look } from '../../containers/calls.ts';
import { AgentError } from '../../core/errors.ts';
import { flushDirectory, makePrivateDirectory } from '../../core/files.ts';
import { firstFile } from '../tar.ts';
import { unpack } from './unpack.ts';
import type { Versions } from './versions.ts';

const PLACE = '/opt/tagboat';
/** Of the containers that were not removed; its value is the agent's directory. */
const LABEL = 'tagboat.dev/agent-version';
const MAX_MANIFEST = 1024 ** 2;

/** Answers the name of the directory below `versions`. `image` has a digest, or is an id. Throws `UpdateFailed`. */
export async function takeOut(docker: Docker, image: string, version: string, versions: Versions, signal: AbortSignal): Promise<string> {
  const name = `${version}-${/sha256:([0-9a-f]{12})/.exec(image)?.[1] ?? 'local'}`;
  const half = join(versions.path, `.${name}`);
  let container: Container | undefined;
  try {
    await removeLeft(docker, versions.path);
    container = await docker.createContainer({ Image: image, Labels: { [LABEL]: versions.path }, HostConfig: { NetworkMode: 'none' }, abortSignal: change() });
    checkManifest(await readManifest(container), version, image);
    if (versions.damage(name, version) === null) return name;
    makePrivateDirectory(versions.path);
    await rm(half, { recursive: true, force: true });
    mkdirSync(half, { mode: 0o700 });
    await unpack((await container.getArchive({ path: PLACE, abortSignal: signal })) as Readable, half, signal);
    await rm(versions.directoryOf(name), { recursive: true, force: true });
    await rename(half, versions.directoryOf(name));
    flushDirectory(versions.path);
    const why = versions.damage(name, version);
    if (why !== null) throw new Error(why);
    return name;
  } catch (error) {
    await rm(half, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
    if (error instanceof AgentError) throw error;
    throw new AgentError('UpdateFailed', `version ${version} could not be taken out of ${image}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    await remove(container);
  }
}

async function readManifest(container: Container): Promise<unknown> {
  const archive = (await container.getArchive({ path: `${PLACE}/package.json`, abortSignal: look() })) as Readable;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of archive as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_MANIFEST) throw new Error('its package.json is too large');
    chunks.push(chunk);
  }
  return JSON.parse(firstFile(Buffer.concat(chunks))?.toString('utf8') ?? '');
}

/** Before all the rest is copied. */
function checkManifest(manifest: unknown, version: string, image: string): void {
  const { name, version: found, engines } = (typeof manifest === 'object' && manifest !== null ? manifest : {}) as { name?: unknown; version?: unknown; engines?: { node?: unknown } };
  if (name !== 'tagboat') throw new AgentError('UpdateFailed', `the image ${image} holds no tagboat`);
  if (found !== version) throw new AgentError('UpdateFailed', `the image ${image} holds version ${String(found)} and not ${version}`);
  const range = engines?.node;
  if (typeof range === 'string' && !satisfies(process.versions.node, range, { includePrerelease: true })) {
    throw new AgentError('UpdateFailed', `version ${version} needs Node.js ${range}, and this host has ${process.versions.node}; install a newer one and restart the unit`);
  }
}

/** Those of a process that was killed in between. */
async function removeLeft(docker: Docker, mark: string): Promise<void> {
  const left = await docker.listContainers({ all: true, filters: { label: [`${LABEL}=${mark}`] }, abortSignal: look() });
  for (const { Id } of left) await remove(docker.getContainer(Id));
}

/** With its volume: it has none but the one that its image declares, which was never written to. */
async function remove(container: Container | undefined): Promise<void> {
  await container?.remove({ force: true, v: true, abortSignal: change() }).catch(() => undefined);
}

/**
 * Secrets as files: put into a container that was created and not started, through the archive API, so that they stand in no
 * setting, no mount and no image. They belong to the user that the container runs as and live and die with the container.
 */
import type Docker from 'dockerode';
import type { Readable } from 'node:stream';
import type { SecretFile } from '../containers/runtime.ts';
import { RuntimeError } from '../containers/runtime.ts';
import { isStatus } from './docker-errors.ts';
import { firstFile, packTar } from './tar.ts';

/** A bigger /etc/passwd is none. */
const PASSWD_LIMIT = 4 * 1024 * 1024;

/** Throws RuntimeError `ContainerCreateFailed` for a user that the image does not know, and what the engine throws. */
export async function putSecretFiles(container: Docker.Container, files: readonly SecretFile[], signal: AbortSignal): Promise<void> {
  const { Config: config } = await container.inspect({ abortSignal: signal });
  const owner = await ownerOf(container, config.User ?? '', signal);
  const where = { path: '/', abortSignal: signal };
  await container.putArchive(packTar(files.map((file) => ({ ...file, ...owner }))), where);
}

/** As the engine itself reads `user[:group]`: numbers as they are, names from the image's own /etc/passwd and /etc/group. */
async function ownerOf(container: Docker.Container, user: string, signal: AbortSignal): Promise<{ uid: number; gid: number }> {
  const [name = '', group] = user.split(':', 2);
  if (name === '' || name === '0' || name === 'root') return { uid: 0, gid: group === undefined ? 0 : await idOf(container, '/etc/group', group, signal) };
  const row = (await table(container, '/etc/passwd', signal)).find((fields) => fields[0] === name || fields[2] === name);
  const uid = /^\d+$/.test(name) ? Number(name) : Number(row?.[2] ?? NaN);
  if (!Number.isInteger(uid)) throw new RuntimeError('ContainerCreateFailed', `the image has no user ${name} in /etc/passwd, so its secret files would belong to nobody`);
  return { uid, gid: group === undefined ? Number(row?.[3] ?? 0) || 0 : await idOf(container, '/etc/group', group, signal) };
}

async function idOf(container: Docker.Container, path: string, name: string, signal: AbortSignal): Promise<number> {
  if (/^\d+$/.test(name)) return Number(name);
  const id = Number((await table(container, path, signal)).find((fields) => fields[0] === name)?.[2] ?? NaN);
  if (!Number.isInteger(id)) throw new RuntimeError('ContainerCreateFailed', `the image has no group ${name} in ${path}, so its secret files would belong to nobody`);
  return id;
}

async function table(container: Docker.Container, path: string, signal: AbortSignal): Promise<string[][]> {
  const where = { path, abortSignal: signal };
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of (await container.getArchive(where)) as Readable) {
      size += (chunk as Buffer).length;
      if (size > PASSWD_LIMIT) return [];
      chunks.push(chunk as Buffer);
    }
    return (firstFile(Buffer.concat(chunks))?.toString('utf8') ?? '').split('\n').map((line) => line.split(':'));
  } catch (error) {
    if (isStatus(error, 404)) return [];
    throw error;
  }
}

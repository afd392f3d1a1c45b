/** What a container finds at its paths: volumes and files of a draft. */
import { posix } from 'node:path';
import type { Volume } from '../../schemas/gen/types.ts';
import type { Position } from '../model/problem.ts';
import type { Draft } from './draft.ts';

/** Characters of files that one service may bring along. */
export const TEXT_LIMIT = 256 * 1024;
const FILE_LIMIT = 128 * 1024;
/** Names of files that hold what Git must not. */
const SECRET_FILE = /(^|\/)(\.env(\.[^/]*)?|id_(rsa|dsa|ecdsa|ed25519)|\.netrc|\.pgpass|\.htpasswd|[^/]*(secret|passw(or)?d|credential|token)[^/]*|[^/]+\.(key|pem|p12|pfx|jks|keystore|kdbx))$/i;
const SECRET_TEXT = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
/** A file of certificates alone is for everybody. */
const CERTIFICATES = /^\s*-----BEGIN (TRUSTED )?CERTIFICATE-----/;

export function addVolume(draft: Draft, at: Position, volume: Volume): void {
  const volumes = draft.config.volumes ?? [];
  const before = volumes.findIndex((one) => one.path === volume.path);
  if (before >= 0) draft.whole.findings.add('ComposeInvalid', at, `two volumes have the path ${volume.path}; the later one counts`);
  draft.config.volumes = [...volumes.filter((_, index) => index !== before), volume];
}

/** @returns false where it is too much, or secret. */
export function addFile(draft: Draft, at: Position, from: string, path: string, content: string, mode?: string): boolean {
  if (isSecret(from, content)) {
    draft.whole.findings.add('SecretToSeal', at, `${from} looks like a secret and was not copied`, `Seal it with \`tagboat seal --file\`, paste what it prints into \`secrets\` of the image ${draft.name}, and add \`file: ${path}\`.`);
    return false;
  }
  const files = draft.docker.files ?? {};
  const total = Object.values(files).reduce((sum, file) => sum + file.content.length, content.length);
  if (content.length > FILE_LIMIT || total > TEXT_LIMIT) {
    draft.whole.findings.add('DirectoryOfNode', at, `${from} is too large for a manifest`);
    return false;
  }
  draft.docker.files = { ...files, [path]: { content, ...(mode !== undefined && { mode }) } };
  return true;
}

function isSecret(from: string, content: string): boolean {
  if (SECRET_TEXT.test(content)) return true;
  return SECRET_FILE.test(from) && !(from.endsWith('.pem') && CERTIFICATES.test(content));
}

/** A path in the container as the schema wants it. */
export function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/+$/, '') : normal;
}

/**
 * OpenSSH's known_hosts, as far as checking a server needs it: names, `[name]:port`, wildcards, negations, hashed names and
 * `@revoked`. Certificate authorities (`@cert-authority`) are not read: such a line vouches for nothing here. Pure.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { matchesGlob } from '../model/branch-glob.ts';

interface KnownHost {
  /** Comma-separated, as written. */
  readonly hosts: string;
  readonly type: string;
  readonly key: Buffer;
  readonly revoked: boolean;
}

export interface KnownHosts {
  readonly entries: readonly KnownHost[];
  /** 1-based numbers of lines that are no entry. */
  readonly unreadable: readonly number[];
}

/** `unknown`: nothing is known of this server. `changed`: another key of this server is known. */
export type HostKeyVerdict = 'known' | 'unknown' | 'changed' | 'revoked';

export function parseKnownHosts(text: string): KnownHosts {
  const entries: KnownHost[] = [];
  const unreadable: number[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const words = line.split(/\s+/);
    const mark = words[0]?.startsWith('@') === true ? words.shift() : undefined;
    const [hosts, type, encoded] = words;
    const key = Buffer.from(encoded ?? '', 'base64');
    if (hosts === undefined || type === undefined || key.length < 20 || hostKeyType(key) !== type) unreadable.push(index + 1);
    else if (mark === undefined || mark === '@revoked') entries.push({ hosts, type, key, revoked: mark !== undefined });
  }
  return { entries, unreadable };
}

/** Key types known of a server (`ssh-ed25519`), so that it is asked for a key that can be compared. */
export function knownKeyTypes({ entries }: KnownHosts, host: string, port: number): string[] {
  return [...new Set(entries.filter((entry) => !entry.revoked && names(entry.hosts, hostName(host, port))).map(({ type }) => type))];
}

/** What is known of the key that a server showed, in SSH's wire format. */
export function judgeHostKey({ entries }: KnownHosts, host: string, port: number, key: Buffer): HostKeyVerdict {
  const own = entries.filter((entry) => names(entry.hosts, hostName(host, port)));
  const same = own.filter((entry) => entry.key.equals(key));
  if (same.some(({ revoked }) => revoked)) return 'revoked';
  if (same.length > 0) return 'known';
  return own.some(({ revoked }) => !revoked) ? 'changed' : 'unknown';
}

/** `ssh-ed25519 SHA256:…`, as ssh-keygen -l shows it. */
export function fingerprintOf(key: Buffer): string {
  return `${hostKeyType(key)} SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** How known_hosts spells a server: the port only where it is not 22. */
function hostName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${String(port)}`;
}

function hostKeyType(key: Buffer): string {
  const length = key.length < 4 ? 0 : key.readUInt32BE(0);
  return length > 64 || key.length < 4 + length ? '' : key.toString('latin1', 4, 4 + length);
}

function names(hosts: string, name: string): boolean {
  let found = false;
  for (const pattern of hosts.split(',')) {
    const wanted = pattern.startsWith('!') ? pattern.slice(1) : pattern;
    if (!(wanted.startsWith('|1|') ? hashMatches(wanted, name) : matchesGlob(wanted.toLowerCase(), name))) continue;
    if (wanted !== pattern) return false;
    found = true;
  }
  return found;
}

function hashMatches(pattern: string, name: string): boolean {
  const [, , salt = '', hash = ''] = pattern.split('|');
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

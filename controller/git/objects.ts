/** Git objects as values. Parsing is pure and lenient where Git is (odd author lines), strict where meaning would be lost. */
import { storable } from '../storable.ts';
import type { GitObject } from './pack.ts';

export interface Person {
  readonly name: string;
  readonly email: string;
  readonly at: Date;
}

export interface Commit {
  readonly oid: string;
  readonly parents: readonly string[];
  readonly author: Person;
  readonly committer: Person;
  readonly message: string;
}

export interface TagObject {
  /** Of the tag object itself. */
  readonly oid: string;
  /** The commit that the chain of tags ends at. */
  readonly target: string;
  readonly tagger?: Person;
  readonly message: string;
}

export interface TreeEntry {
  /** Path from the root of the repository. */
  readonly path: string;
  /** `100644`, `100755`, `120000` (symbolic link), `160000` (submodule; its oid is a commit of another repository). */
  readonly mode: string;
  readonly oid: string;
}

/** What reading needs of a mirror. */
export interface ObjectSource {
  object(oid: string): Promise<GitObject>;
}

export function parseCommit(oid: string, bytes: Buffer): Commit & { readonly tree: string } {
  const { headers, message } = parseHeaders(bytes);
  const first = (key: string): string => headers.find(([name]) => name === key)?.[1] ?? '';
  return {
    oid,
    tree: first('tree'),
    parents: headers.filter(([name]) => name === 'parent').map(([, value]) => value),
    author: parsePerson(first('author')),
    committer: parsePerson(first('committer')),
    message,
  };
}

export function parseTag(bytes: Buffer): { readonly object: string; readonly type: string; readonly name: string; readonly tagger?: Person; readonly message: string } {
  const { headers, message } = parseHeaders(bytes);
  const values = new Map(headers);
  const tagger = values.get('tagger');
  return { object: values.get('object') ?? '', type: values.get('type') ?? '', name: values.get('tag') ?? '', message: withoutSignature(message), ...(tagger === undefined ? {} : { tagger: parsePerson(tagger) }) };
}

/** The entries of one tree object in Git's order; `name` is not yet a path. */
export function parseTree(bytes: Buffer): { readonly name: string; readonly mode: string; readonly oid: string }[] {
  const entries = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const zero = bytes.indexOf(0, space);
    if (space < 0 || zero < 0 || zero + 21 > bytes.length) throw new Error('a tree ends in the middle of an entry');
    entries.push({ mode: bytes.toString('latin1', at, space).padStart(6, '0'), name: bytes.toString('utf8', space + 1, zero), oid: bytes.toString('hex', zero + 1, zero + 21) });
    at = zero + 21;
  }
  return entries;
}

export const TREE_MODE = '040000';

/** Git lets a message hold any byte, and records of it are to be kept. */
function parseHeaders(bytes: Buffer): { headers: [string, string][]; message: string } {
  const end = bytes.indexOf('\n\n');
  const head = storable(bytes.toString('utf8', 0, end < 0 ? bytes.length : end));
  const headers: [string, string][] = [];
  for (const line of head.split('\n')) {
    // A line that begins with a space continues the one before: signatures, which nobody asks for here.
    const space = line.indexOf(' ');
    if (space > 0) headers.push([line.slice(0, space), line.slice(space + 1)]);
  }
  return { headers, message: end < 0 ? '' : storable(bytes.toString('utf8', end + 2)) };
}

function parsePerson(line: string): Person {
  const parts = /^(.*?) ?<([^>]*)>(?: (-?\d+))?/.exec(line);
  const at = new Date(Number(parts?.[3] ?? 0) * 1000);
  return { name: parts?.[1] ?? line, email: parts?.[2] ?? '', at: Number.isNaN(at.getTime()) ? new Date(0) : at };
}

/** A signed tag carries its signature at the end of the message, which is the change log (R7). */
function withoutSignature(message: string): string {
  const at = message.search(/^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SSH SIGNATURE|SIGNED MESSAGE)-----$/m);
  return at < 0 ? message : message.slice(0, at);
}

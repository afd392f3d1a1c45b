/** Where an SSH remote is: `ssh://user@host:port/path`, or `user@host:path` as scp writes it. Pure. */

export interface SshAddress {
  /** `git` unless told. */
  readonly user: string;
  readonly host: string;
  readonly port: number;
  /** As the server gets it: absolute, below its own idea of a home (`~name/…`), or relative (scp's way). */
  readonly path: string;
}

/** Null for what is no SSH address. Never repeats a password in an error: a URL with one gives `password`. */
export function parseSshAddress(text: string): SshAddress | 'password' | null {
  if (/^(?:git\+)?ssh(?:\+git)?:\/\//i.test(text)) return fromUrl(text.replace(/^[a-z+]+:/i, 'ssh:'));
  const scp = /^(?:([^\s:@/[\]]+)@)?(\[[0-9A-Fa-f:.]+\]|[^\s:@/[\]]+):(?!\/\/)(\S.*)$/.exec(text);
  if (scp === null) return null;
  const [, user = 'git', host = '', path = ''] = scp;
  // A letter and a colon is a drive, not a host.
  if (scp[1] === undefined && host.length === 1) return null;
  return complete(user, host, 22, path);
}

/** Whether a text means SSH, whatever else is wrong with it. */
export function looksLikeSsh(text: string): boolean {
  return /^(?:git\+)?ssh(?:\+git)?:\/\//i.test(text) || (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) && /^[^\s:@/]+@[^\s:/]+:/.test(text));
}

function fromUrl(text: string): SshAddress | 'password' | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.password !== '') return 'password';
  if (url.search !== '' || url.hash !== '') return null;
  const path = decoded(url.pathname);
  const user = decoded(url.username);
  if (path === null || user === null) return null;
  return complete(user === '' ? 'git' : user, url.hostname, url.port === '' ? 22 : Number(url.port), path.startsWith('/~') ? path.slice(1) : path);
}

/** A path that the server's command would take for an option is refused, as Git does. */
function complete(user: string, host: string, port: number, path: string): SshAddress | null {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  const clean = path.replace(/(.)\/+$/, '$1');
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (name === '' || name.startsWith('-') || clean === '' || clean === '/' || clean.startsWith('-') || /[\u0000-\u001f]/.test(`${user}${clean}`)) return null;
  return { user, host: name, port, path: clean };
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

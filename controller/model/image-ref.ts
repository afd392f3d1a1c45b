/** Image references after the grammar of the distribution project: `[host[:port]/]path[:tag][@digest]`. Pure. */

export interface ImageRef {
  /** Registry host with its port where it has one; Docker Hub is `docker.io`. */
  readonly host: string;
  /** Repository inside the registry; Docker Hub's own images lie under `library/`. */
  readonly path: string;
  /** `latest` where the reference has neither tag nor digest; absent where it has a digest only. */
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
}

const DOCKER_HUB = 'docker.io';

const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const PATH_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const LONGEST_NAME = 255;

/** The reference in full, or null if the text is none. Never throws; linear in the length of the text. */
export function parseImageRef(text: string): ImageRef | null {
  if (text.length > 512) return null;
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !DIGEST.test(digest)) return null;
  let name = at < 0 ? text : text.slice(0, at);

  const colon = name.lastIndexOf(':');
  let tag: string | undefined;
  // A colon before the last slash belongs to the host's port.
  if (colon > name.lastIndexOf('/')) {
    tag = name.slice(colon + 1);
    name = name.slice(0, colon);
    if (!TAG.test(tag)) return null;
  }

  const { host, path } = splitHost(name);
  if (!HOST.test(host) || path.length + host.length > LONGEST_NAME) return null;
  if (!path.split('/').every((part) => PATH_PART.test(part))) return null;
  if (tag === undefined && digest === undefined) tag = 'latest';
  return { host, path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** The first part is a host if it looks like one: a dot, a port, `localhost`, or a capital, which no path has. */
function splitHost(name: string): { host: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = first === 'localhost' || first.includes('.') || first.includes(':') || first !== first.toLowerCase();
  if (!isHost) return { host: DOCKER_HUB, path: slash < 0 ? `library/${name}` : name };
  const rest = name.slice(slash + 1);
  if (first !== 'docker.io' && first !== 'index.docker.io') return { host: first, path: rest };
  return { host: DOCKER_HUB, path: rest.includes('/') ? rest : `library/${rest}` };
}

/** The full form, `docker.io/library/postgres:16`. */
export function formatImageRef(ref: ImageRef): string {
  return `${ref.host}/${ref.path}${ref.tag === undefined ? '' : `:${ref.tag}`}${ref.digest === undefined ? '' : `@${ref.digest}`}`;
}

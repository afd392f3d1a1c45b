/** An image reference after the distribution grammar, taken apart. */
export interface Reference {
  /** With host, without tag and digest, as written. */
  readonly repository: string;
  /** Undefined where only a digest is given. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

export function parseReference(text: string): Reference {
  const [head = '', digest] = text.split('@', 2);
  const slash = head.lastIndexOf('/');
  const colon = head.lastIndexOf(':');
  const tagged = colon > slash;
  const tag = tagged ? head.slice(colon + 1) : undefined;
  return { repository: tagged ? head.slice(0, colon) : head, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

/** The one name under which an engine lists a repository: Docker Hub's host and `library/` are left out there. */
export function familiar(repository: string): string {
  return repository.replace(/^(index\.)?docker\.io\//, '').replace(/^library\/(?=[^/]+$)/, '');
}

/** Host and port of the registry that the reference leads to; Docker Hub is `docker.io`. */
export function hostOf(reference: string): string {
  const slash = reference.indexOf('/');
  const first = slash < 0 ? '' : reference.slice(0, slash);
  const isHost = first === 'localhost' || first.includes('.') || first.includes(':') || first !== first.toLowerCase();
  return !isHost || first === 'index.docker.io' ? 'docker.io' : first;
}

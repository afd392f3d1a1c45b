/** Whether what a host tells is a reason to look: the repository is one of the team's, and somebody watches the ref. Pure. */
import { matchesGlob } from '../../model/branch-glob.ts';
import type { WatchedRepository } from '../../store/deliveries.ts';
import type { ToldRequest } from '../../store/requests.ts';
import type { HookEvent } from './event.ts';

export interface Interest {
  /** The team's own first. */
  readonly watched: readonly WatchedRepository[];
  /** Whether requests to merge are reviewed, and which plain branches count as such. */
  readonly reviews: boolean;
  readonly reviewBranches: readonly string[];
}

/** `request`: what became of a request that is reviewed. */
export type Relevance = { readonly look: boolean; readonly ref: string | null; readonly reason: string; readonly request?: ToldRequest | undefined } | { readonly refused: string };

export function relevanceOf(event: HookEvent, { watched, reviews, reviewBranches }: Interest): Relevance {
  if (event.kind === 'ping') return { look: false, ref: null, reason: 'a ping' };
  // Who does not say which repository means the team's: its secret signed that.
  const repository = event.repositories.length === 0 ? watched[0] : watched.find(({ url }) => event.repositories.some((name) => isSameRepository(name, url)));
  if (repository === undefined) return { refused: 'the payload is about a repository that is not this team\'s' };
  const own = repository === watched[0];
  if (event.kind === 'request') {
    const look = own && reviews;
    if (!look) return { look, ref: null, reason: 'requests to merge are not reviewed there' };
    return { look, ref: event.request === undefined ? null : `refs/${event.request.ref}`, reason: event.request === undefined ? '' : `the request is ${event.request.state}`, request: event.request };
  }
  const extra = own && reviews ? reviewBranches : [];
  const ref = event.refs.find((name) => isWatched(name, repository, extra));
  return ref === undefined ? { look: false, ref: event.refs[0] ?? null, reason: 'nobody watches this ref' } : { look: true, ref, reason: '' };
}

function isWatched(ref: string, { branches, tags }: WatchedRepository, extra: readonly string[]): boolean {
  // Nothing is known before the first reading; then everything is worth a look.
  if (branches === null || tags === null) return true;
  if (ref.startsWith('refs/tags/')) {
    const tag = ref.slice('refs/tags/'.length);
    return tags.some((pattern) => {
      const [before = '', after = ''] = pattern.split('*');
      return tag.length > before.length + after.length && tag.startsWith(before) && tag.endsWith(after);
    });
  }
  const branch = ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null;
  return branch !== null && (branches.includes(branch) || extra.some((glob) => matchesGlob(glob, branch)));
}

/**
 * Whether a name out of a payload can mean the repository at `url`. Hosts have several names (inside, outside, for SSH), so the path
 * decides; the signature has said who speaks.
 */
export function isSameRepository(name: string, url: string): boolean {
  const [theirs, ours] = [pathOf(name), pathOf(url)];
  if (theirs === '' || ours === '') return false;
  return ours === theirs || ours.endsWith(`/${theirs}`) || (url.startsWith('/') && ours.split('/').at(-1) === theirs.split('/').at(-1));
}

/** Without scheme, host, `.git` and case. */
function pathOf(name: string): string {
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/]*\/(.*)$/i.exec(name)?.[1] ?? /^(?:[^/@:]+@)?[^/:@]+:(?!\/\/)(.*)$/.exec(name)?.[1] ?? name;
  return path.replace(/\.git$/i, '').replaceAll(/^\/+|\/+$/g, '').toLowerCase();
}

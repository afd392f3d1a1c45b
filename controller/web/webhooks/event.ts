/** What a payload says, in the words of each host's documentation. Pure; takes anything, trusts nothing. */
import type { ToldRequest } from '../../store/requests.ts';
import type { Envelope } from './signature.ts';

/** Full names of refs that moved, and how the payload names its repository. */
export interface HookEvent {
  readonly kind: 'ping' | 'refs' | 'request';
  readonly refs: readonly string[];
  /** What became of a request to merge, where the payload says it. */
  readonly request?: ToldRequest | undefined;
  /** URLs and `owner/name`, as far as they stand there; empty where the payload names none. */
  readonly repositories: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/** Refs of one payload that are looked at. */
const MAX_REFS = 1_000;

/** The event, or why it is not understood. */
export function readEvent({ provider, event }: Envelope, payload: unknown): HookEvent | { readonly refused: string } {
  if (!isObject(payload)) return { refused: 'the payload is no JSON object' };
  const made = provider === 'gitlab' ? gitlab(payload) : provider === 'bitbucket' ? bitbucket(event, payload) : githubLike(event, payload);
  if (made === null) return { refused: `the event ${event === '' ? 'without a name' : event.slice(0, 80)} means nothing here` };
  if (made.kind === 'refs' && made.refs.length === 0) return { refused: 'the payload names no ref' };
  return { ...made, repositories: repositoriesOf(payload) };
}

type Made = Pick<HookEvent, 'kind' | 'refs' | 'request'> | null;

/** GitHub, Gitea and Forgejo. */
function githubLike(event: string, payload: Json): Made {
  if (event === 'ping') return { kind: 'ping', refs: [] };
  if (event === 'push') return refs([payload['ref']]);
  if (event === 'create' || event === 'delete') {
    const ref = text(payload['ref']);
    const full = ref.startsWith('refs/') ? ref : `refs/${payload['ref_type'] === 'tag' ? 'tags' : 'heads'}/${ref}`;
    return refs([ref === '' ? '' : full]);
  }
  if (!event.startsWith('pull_request')) return null;
  const pull = payload['pull_request'];
  const state = at(pull, 'state') === 'closed' && at(pull, 'merged') === true ? 'merged' : at(pull, 'state');
  return request('pull', at(pull, 'number') ?? payload['number'], state, at(pull, 'head', 'sha'), at(pull, 'updated_at'));
}

/** Its header has other words for project, group and system hooks; the payload always has `object_kind` or `event_name`. */
function gitlab(payload: Json): Made {
  switch (payload['object_kind'] ?? payload['event_name']) {
    case 'push':
    case 'tag_push':
      return refs([payload['ref']]);
    case 'repository_update':
      return refs(list(payload['refs']));
    case 'merge_request': {
      const about = payload['object_attributes'];
      const state = at(about, 'state') === 'opened' ? 'open' : at(about, 'state');
      return request('merge-requests', at(about, 'iid'), state, at(about, 'last_commit', 'id'), at(about, 'updated_at'));
    }
    default:
      return null;
  }
}

/** Cloud (`repo:push`) and Data Center (`repo:refs_changed`). */
function bitbucket(event: string, payload: Json): Made {
  if (event === 'diagnostics:ping') return { kind: 'ping', refs: [] };
  if (event === 'repo:refs_changed') return refs(list(payload['changes']).map((change) => at(change, 'ref', 'id')));
  if (event === 'repo:push') {
    return refs(
      list(at(payload, 'push', 'changes')).map((change) => {
        const side = isObject(at(change, 'new')) ? 'new' : 'old';
        const name = text(at(change, side, 'name'));
        return name === '' ? '' : `refs/${at(change, side, 'type') === 'tag' ? 'tags' : 'heads'}/${name}`;
      }),
    );
  }
  if (event.startsWith('pr:')) {
    const pull = payload['pullRequest'];
    const state = { OPEN: 'open', DECLINED: 'closed', MERGED: 'merged' }[text(at(pull, 'state'))];
    return request('pull-requests', at(pull, 'id'), event === 'pr:deleted' ? 'closed' : state, at(pull, 'fromRef', 'latestCommit'), payload['date']);
  }
  return event.startsWith('pullrequest:') ? { kind: 'request', refs: [] } : null;
}

/** Hosts write times in ISO 8601; GitLab also as `2026-01-31 10:20:30 UTC`, and Bitbucket with `+0000`. */
function request(kind: string, number: unknown, state: unknown, head: unknown, time: unknown): Made {
  if (!Number.isSafeInteger(number) || Number(number) < 1 || !(state === 'open' || state === 'closed' || state === 'merged')) return { kind: 'request', refs: [] };
  const moment = new Date(text(time).replace(/^(\d{4}-\d\d-\d\d) (\S+) UTC$/, '$1T$2Z').replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
  const told = { ref: `${kind}/${String(number)}`, state, head: /^[0-9a-f]{40}$/.test(text(head)) ? text(head) : null, at: Number.isNaN(moment.getTime()) ? null : moment } as const;
  return { kind: 'request', refs: [], request: told };
}

function refs(names: readonly unknown[]): Made {
  return { kind: 'refs', refs: names.slice(0, MAX_REFS).map(text).filter(isRef) };
}

/** What Git itself lets be a ref, roughly; nothing else gets into rows. */
function isRef(name: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return name.startsWith('refs/') && name.length <= 1_024 && !/[\u0000-\u0020\u007f~^:?*[\\]/.test(name);
}

function repositoriesOf(payload: Json): string[] {
  const found: unknown[] = [];
  // Data Center names the repository of a request within the request.
  for (const one of [payload['repository'], payload['project'], at(payload, 'pullRequest', 'toRef', 'repository')]) {
    if (!isObject(one)) continue;
    for (const key of ['full_name', 'path_with_namespace', 'clone_url', 'ssh_url', 'git_url', 'html_url', 'git_http_url', 'git_ssh_url', 'http_url', 'web_url', 'url', 'homepage']) found.push(one[key]);
    found.push(at(one, 'links', 'html', 'href'), ...list(at(one, 'links', 'clone')).map((link) => at(link, 'href')));
    const [project, slug] = [text(at(one, 'project', 'key')), text(one['slug'])];
    if (project !== '' && slug !== '') found.push(`${project}/${slug}`);
  }
  return [...new Set(found.map(text).filter((name) => name !== '' && name.length <= 2_048))].slice(0, 50);
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, key) => (isObject(inner) && Object.hasOwn(inner, key) ? inner[key] : undefined), value);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

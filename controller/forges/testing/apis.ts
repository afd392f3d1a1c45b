/**
 * The parts of the hosts' APIs that are used, as they are documented: GitHub's from its OpenAPI description, GitLab's from its
 * REST API pages (commits, notes, merge requests, users), Gitea's from its Swagger document, those of Bitbucket Cloud and Data Center from their
 * REST references (Data Center's 9.x OpenAPI document).
 */
import { readFileSync } from 'node:fs';
import type { Answer, Api, ForgeState, Operation, Schema } from './forge-server.ts';

const text = { type: 'string' } as const;
const count = { type: 'integer', minimum: 1 } as const;
const oneOf = (...words: readonly string[]): Schema => ({ type: 'string', enum: words });
const object = (properties: Readonly<Record<string, Schema>>, required: readonly string[]): Schema => ({ type: 'object', properties, required });

const page = <T>(all: readonly T[], query: URLSearchParams, size: string, fallback: number): T[] => {
  const [at, limit] = [Number(query.get('page') ?? 1), Math.min(Number(query.get(size) ?? fallback), 100)];
  return all.slice((at - 1) * limit, at * limit);
};

function edit(state: ForgeState, id: string, body: string): { readonly status: number; readonly body: unknown } {
  const comment = state.comments.find((one) => String(one.id) === id);
  if (comment === undefined) return { status: 404, body: { message: 'Not Found' } };
  if (comment.author !== state.me) return { status: 403, body: { message: 'Forbidden' } };
  comment.body = body;
  return { status: 200, body: comment };
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[]; readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } } }>>>>;
}

/** The documented shape of an operation of GitHub's. */
function documented(path: string, method: string, answer: Operation['answer']): Operation {
  const { paths } = JSON.parse(readFileSync(new URL('github-openapi.json', import.meta.url), 'utf8')) as OpenApi;
  const operation = paths[path]![method.toLowerCase()]!;
  const those = (where: string): Record<string, Schema> => Object.fromEntries((operation.parameters ?? []).filter((one) => one.in === where).map((one) => [one.name, one.schema]));
  const body = operation.requestBody?.content['application/json'].schema;
  return { method, path, query: those('query'), parameters: those('path'), ...(body && { body }), answer };
}

const bearer = (wanted: string) => (headers: { readonly authorization?: string | undefined }): string | undefined => (headers.authorization === wanted ? undefined : `signs in as ${String(headers.authorization)}`);

export function githubApi(token: string, base = ''): Api {
  const shown = ({ id, body, author }: ForgeState['comments'][number]): unknown => ({ id, body, user: { id: author } });
  return {
    base,
    signIn: (headers) => {
      if (headers.accept?.startsWith('application/vnd.github') !== true) return `accepts ${headers.accept ?? 'anything'}`;
      if (headers['x-github-api-version'] !== '2022-11-28' || headers['user-agent'] === undefined) return 'names no version of the API, or no agent';
      return bearer(`token ${token}`)(headers);
    },
    operations: [
      documented('/user', 'GET', (state) => ({ status: 200, body: { id: state.me } })),
      documented('/repos/{owner}/{repo}/statuses/{sha}', 'POST', (state, { path, body }) => {
        if (String(body['description']).length > 140) return { status: 422, body: { message: 'description is too long' } };
        state.statuses.unshift({ commit: path['sha']!, state: String(body['state']), context: String(body['context']), description: String(body['description']), url: String(body['target_url']) });
        return { status: 201, body: {} };
      }),
      documented('/repos/{owner}/{repo}/commits/{ref}/statuses', 'GET', (state, { path }) => ({ status: 200, body: state.statuses.filter(({ commit }) => commit === path['ref']).map(({ url, ...rest }) => ({ ...rest, target_url: url })) })),
      documented('/repos/{owner}/{repo}/issues/{issue_number}/comments', 'GET', (state, { path, query }) => ({ status: 200, body: page(state.comments.filter(({ request }) => request === Number(path['issue_number'])), query, 'per_page', 30).map(shown) })),
      documented('/repos/{owner}/{repo}/issues/{issue_number}/comments', 'POST', (state, { path, body }) => ({ status: 201, body: { id: state.say(Number(path['issue_number']), String(body['body'])) } })),
      documented('/repos/{owner}/{repo}/issues/comments/{comment_id}', 'PATCH', (state, { path, body }) => edit(state, path['comment_id']!, String(body['body']))),
      documented('/repos/{owner}/{repo}/pulls', 'GET', (state, { query }) => ({ status: 200, body: page(state.open, query, 'per_page', 30).map(({ number, branch, head }) => ({ number, head: { ref: branch, sha: head } })) })),
    ],
  };
}

export function gitlabApi(token: string): Api {
  const project = '/projects/{id}';
  const notes = `${project}/merge_requests/{iid}/notes`;
  const paging = { page: count, per_page: { ...count, maximum: 100 } };
  return {
    base: '/api/v4',
    signIn: (headers) => (headers['private-token'] === token ? undefined : 'the header PRIVATE-TOKEN is missing'),
    operations: [
      { method: 'GET', path: '/user', answer: (state) => ({ status: 200, body: { id: state.me } }) },
      {
        method: 'POST', path: `${project}/statuses/{sha}`,
        body: object({ state: oneOf('pending', 'running', 'success', 'failed', 'canceled', 'skipped'), ref: text, name: text, context: text, target_url: { type: 'string', maxLength: 255 }, description: { type: 'string', maxLength: 255 }, coverage: { type: 'number' }, pipeline_id: count }, ['state']),
        answer: (state, { path, body }) => {
          const before = state.statuses.find((one) => one.commit === path['sha'] && one.context === body['name']);
          if (before?.state === body['state'] && before?.description === body['description']) return { status: 400, body: { message: `Cannot transition status via :${before?.state ?? ''} from :${before?.state ?? ''}` } };
          state.statuses.unshift({ commit: path['sha']!, state: String(body['state']), context: String(body['name']), description: String(body['description']), url: String(body['target_url']) });
          return { status: 201, body: {} };
        },
      },
      {
        method: 'GET', path: `${project}/repository/commits/{sha}/statuses`, query: { ref: text, stage: text, name: text, pipeline_id: count, order_by: text, sort: text, all: { type: 'boolean' }, ...paging },
        answer: (state, { path }) => ({ status: 200, body: state.statuses.filter(({ commit }) => commit === path['sha']).map(({ context, state: status, description, url }) => ({ name: context, status, description, target_url: url })) }),
      },
      {
        method: 'GET', path: notes, query: { sort: oneOf('asc', 'desc'), order_by: oneOf('created_at', 'updated_at'), ...paging },
        answer: (state, { path, query }) => ({ status: 200, body: page(state.comments.filter(({ request }) => request === Number(path['iid'])), query, 'per_page', 20).map(({ id, body, author }) => ({ id, body, author: { id: author } })) }),
      },
      { method: 'POST', path: notes, body: object({ body: text, created_at: text, internal: { type: 'boolean' }, merge_request_diff_head_sha: text }, ['body']), answer: (state, { path, body }) => ({ status: 201, body: { id: state.say(Number(path['iid']), String(body['body'])) } }) },
      { method: 'PUT', path: `${notes}/{note_id}`, body: object({ body: text }, ['body']), answer: (state, { path, body }) => edit(state, path['note_id']!, String(body['body'])) },
      {
        method: 'GET', path: `${project}/merge_requests`, query: { state: oneOf('opened', 'closed', 'locked', 'merged', 'all'), source_branch: text, ...paging },
        answer: (state, { query }) => ({ status: 200, body: page(state.open, query, 'per_page', 20).map(({ number, branch, head }) => ({ iid: number, source_branch: branch, sha: head })) }),
      },
    ],
  };
}

export function giteaApi(token: string): Api {
  const repository = '/repos/{owner}/{repo}';
  return {
    base: '/api/v1',
    signIn: bearer(`token ${token}`),
    operations: [
      { method: 'GET', path: '/user', answer: () => ({ status: 403, body: { message: 'token does not have at least one of required scope(s): [read:user]' } }) },
      {
        method: 'POST', path: `${repository}/statuses/{sha}`, body: object({ context: text, description: text, state: oneOf('pending', 'success', 'error', 'failure', 'warning'), target_url: text }, []),
        answer: (state, { path, body }) => {
          state.statuses.unshift({ commit: path['sha']!, state: String(body['state']), context: String(body['context']), description: String(body['description']), url: String(body['target_url']) });
          return { status: 201, body: {} };
        },
      },
      {
        method: 'GET', path: `${repository}/statuses/{sha}`, query: { sort: oneOf('oldest', 'recentupdate', 'leastupdate', 'leastindex', 'highestindex'), state: text, page: count, limit: count },
        answer: (state, { path }) => ({ status: 200, body: state.statuses.filter(({ commit }) => commit === path['sha']).map(({ context, state: status, description, url }) => ({ context, status, description, target_url: url })) }),
      },
      { method: 'GET', path: `${repository}/issues/{index}/comments`, query: { since: text, before: text }, answer: (state, { path }) => ({ status: 200, body: state.comments.filter(({ request }) => request === Number(path['index'])).map(({ id, body, author }) => ({ id, body, user: { id: author } })) }) },
      { method: 'POST', path: `${repository}/issues/{index}/comments`, body: object({ body: text, updated_at: text }, ['body']), answer: (state, { path, body }) => ({ status: 201, body: { id: state.say(Number(path['index']), String(body['body'])), body: body['body'] } }) },
      { method: 'PATCH', path: `${repository}/issues/comments/{id}`, body: object({ body: text, updated_at: text }, ['body']), answer: (state, { path, body }) => edit(state, path['id']!, String(body['body'])) },
      { method: 'GET', path: `${repository}/pulls`, query: { state: oneOf('open', 'closed', 'all'), sort: text, milestone: count, labels: text, page: count, limit: count }, answer: (state, { query }) => ({ status: 200, body: page(state.open, query, 'limit', 30).map(({ number, branch, head }) => ({ number, head: { ref: branch, sha: head } })) }) },
    ],
  };
}

export function bitbucketApi(token: string): Api {
  const repository = '/repositories/{workspace}/{repo_slug}';
  const comments = `${repository}/pullrequests/{pull_request_id}/comments`;
  const paging = { page: count, pagelen: { ...count, maximum: 100 }, sort: text, q: text };
  const content = object({ content: object({ raw: text, markup: text }, ['raw']), parent: object({}, []) }, ['content']);
  const builds = `${repository}/commit/{commit}/statuses/build`;
  return {
    base: '/2.0',
    signIn: bearer(`Bearer ${token}`),
    operations: [
      { method: 'GET', path: '/user', answer: (state) => ({ status: 200, body: { account_id: String(state.me) } }) },
      {
        method: 'POST', path: builds,
        body: object({ key: { type: 'string', maxLength: 40 }, state: oneOf('SUCCESSFUL', 'FAILED', 'INPROGRESS', 'STOPPED'), name: text, url: text, description: text, refname: text }, ['key', 'state']),
        answer: (state, { path, body }) => {
          state.statuses = state.statuses.filter((one) => !(one.commit === path['commit'] && one.context === body['key']));
          state.statuses.unshift({ commit: path['commit']!, state: String(body['state']), context: String(body['key']), description: String(body['description']), url: String(body['url']) });
          return { status: 201, body: {} };
        },
      },
      {
        method: 'GET', path: `${builds}/{key}`,
        answer: (state, { path }) => {
          const found = state.statuses.find((one) => one.commit === path['commit'] && one.context === path['key']);
          return found === undefined ? { status: 404, body: { error: { message: 'not there' } } } : { status: 200, body: { state: found.state, description: found.description, url: found.url } };
        },
      },
      {
        method: 'GET', path: comments, query: paging,
        answer: (state, { path, query }) => ({ status: 200, body: { values: page(state.comments.filter(({ request }) => request === Number(path['pull_request_id'])), query, 'pagelen', 10).map(({ id, body, author }) => ({ id, content: { raw: body }, user: { account_id: String(author) } })) } }),
      },
      { method: 'POST', path: comments, body: content, answer: (state, { path, body }) => ({ status: 201, body: { id: state.say(Number(path['pull_request_id']), (body['content'] as { raw: string }).raw), content: body['content'] } }) },
      { method: 'PUT', path: `${comments}/{comment_id}`, body: content, answer: (state, { path, body }) => edit(state, path['comment_id']!, (body['content'] as { raw: string }).raw) },
      {
        method: 'GET', path: `${repository}/pullrequests`, query: { state: oneOf('OPEN', 'MERGED', 'DECLINED', 'SUPERSEDED'), ...paging },
        answer: (state, { query }) => {
          const values = page(state.open, query, 'pagelen', 10).map(({ number, branch, head }) => ({ id: number, source: { branch: { name: branch }, commit: { hash: head.slice(0, 12) } } }));
          const more = values.length > 0 && values.at(-1)!.id !== state.open.at(-1)!.number;
          return { status: 200, body: { values, ...(more ? { next: 'https://api.bitbucket.org/2.0/…' } : {}) } };
        },
      },
    ],
  };
}

/** Comments are among the activities of a request, the newest first, and are changed by version. */
export function bitbucketDataCenterApi(token: string): Api {
  const repository = '/projects/{projectKey}/repos/{repositorySlug}';
  const request = `${repository}/pull-requests/{pullRequestId}`;
  const paging = { start: { type: 'integer', minimum: 0 }, limit: { ...count, maximum: 1_000 } };
  const versions = new Map<number, number>();
  const user = (id: number): string => `user-${String(id)}`;
  const shown = ({ id, body, author }: ForgeState['comments'][number]): unknown => ({ id, version: versions.get(id) ?? 0, text: body, author: { name: user(author), id: author }, severity: 'NORMAL', state: 'OPEN' });
  const refused = (status: number, message: string): Answer => ({ status, body: { errors: [{ context: null, message, exceptionName: null }] } });
  const pageOf = <T>(all: readonly T[], query: URLSearchParams): Answer => {
    const [start, limit] = [Number(query.get('start') ?? 0), Number(query.get('limit') ?? 25)];
    const isLastPage = start + limit >= all.length;
    return { status: 200, body: { values: all.slice(start, start + limit), size: Math.min(limit, all.length - start), start, limit, isLastPage, nextPageStart: isLastPage ? null : start + limit } };
  };
  const operations: readonly Operation[] = [
    { method: 'GET', path: '/application-properties', answer: () => ({ status: 200, body: { version: '9.4.0', displayName: 'Bitbucket' } }) },
    {
      method: 'POST', path: `${repository}/commits/{commitId}/builds`,
      body: object({ key: { type: 'string', minLength: 1, maxLength: 255 }, state: oneOf('CANCELLED', 'FAILED', 'INPROGRESS', 'SUCCESSFUL', 'UNKNOWN'), url: { type: 'string', maxLength: 450 }, name: { type: 'string', maxLength: 255 }, description: { type: 'string', maxLength: 255 }, buildNumber: text, duration: { type: 'integer' }, lastUpdated: { type: 'integer' }, parent: text, ref: text }, ['key', 'state', 'url']),
      answer: (state, { path, body }) => {
        state.statuses = [{ commit: path['commitId']!, state: String(body['state']), context: String(body['key']), description: String(body['description']), url: String(body['url']) }, ...state.statuses.filter(({ commit, context }) => commit !== path['commitId'] || context !== body['key'])];
        return { status: 204 };
      },
    },
    {
      method: 'GET', path: `${repository}/commits/{commitId}/builds`, query: { key: text },
      answer: (state, { path, query }) => {
        const found = state.statuses.find(({ commit, context }) => commit === path['commitId'] && context === query.get('key'));
        return found === undefined ? refused(404, 'No build status') : { status: 200, body: { key: found.context, name: found.context, state: found.state, description: found.description, url: found.url } };
      },
    },
    {
      method: 'GET', path: `${request}/activities`, query: { ...paging, fromId: text, fromType: oneOf('COMMENT', 'ACTIVITY') },
      answer: (state, { path, query }) => {
        const said = state.comments.filter((one) => one.request === Number(path['pullRequestId'])).map((one) => ({ id: 1_000 + one.id, action: 'COMMENTED', commentAction: 'ADDED', comment: shown(one) }));
        return pageOf([...said.toReversed(), { id: 1, action: 'OPENED' }], query);
      },
    },
    {
      method: 'GET', path: `${request}/comments/{commentId}`,
      answer: (state, { path }) => {
        const found = state.comments.find(({ id }) => String(id) === path['commentId']);
        return found === undefined ? refused(404, 'No such comment') : { status: 200, body: shown(found) };
      },
    },
    {
      method: 'POST', path: `${request}/comments`, body: object({ text, severity: oneOf('NORMAL', 'BLOCKER'), parent: object({}, []) }, ['text']),
      answer: (state, { path, body }) => {
        const id = state.say(Number(path['pullRequestId']), String(body['text']));
        return { status: 201, body: shown(state.comments.find((one) => one.id === id)!) };
      },
    },
    {
      method: 'PUT', path: `${request}/comments/{commentId}`, body: object({ text, version: { type: 'integer', minimum: 0 }, severity: oneOf('NORMAL', 'BLOCKER'), state: oneOf('OPEN', 'RESOLVED') }, ['text', 'version']),
      answer: (state, { path, body }) => {
        const found = state.comments.find(({ id }) => String(id) === path['commentId']);
        if (found === undefined) return refused(404, 'No such comment');
        if (found.author !== state.me) return refused(401, 'You are not permitted to edit this comment');
        if (body['version'] !== (versions.get(found.id) ?? 0)) return refused(409, 'The version is not the current one');
        found.body = String(body['text']);
        versions.set(found.id, Number(body['version']) + 1);
        return { status: 200, body: shown(found) };
      },
    },
    {
      method: 'GET', path: `${repository}/pull-requests`, query: { state: oneOf('ALL', 'OPEN', 'DECLINED', 'MERGED'), direction: oneOf('INCOMING', 'OUTGOING'), order: oneOf('NEWEST', 'OLDEST'), at: text, ...paging },
      answer: (state, { query }) => pageOf(state.open.map(({ number, branch, head }) => ({ id: number, state: 'OPEN', fromRef: { id: `refs/heads/${branch}`, displayId: branch, latestCommit: head } })), query),
    },
  ];
  const signed = (operation: Operation): Operation => ({ ...operation, answer: (state, given) => ({ headers: { 'x-ausername': user(state.me) }, ...operation.answer(state, given) }) });
  return { base: '/rest/api/latest', signIn: bearer(`Bearer ${token}`), operations: operations.map(signed) };
}

/** GitLab through its client library, which is loaded where a team uses it; the library's own transport would not wait as the host asks. */
import type { ForgeAddress, ForgeClient } from './forge.ts';
import { ForgeError, forgeErrorOf, forgeFetch } from './forge-fetch.ts';

const PAGE = 100;
const MAX_PAGES = 10;

/** What the library hands to a transport, as far as it is used here. */
interface RequestOptions {
  readonly prefixUrl?: string;
  readonly searchParams?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export async function gitlabClient({ api, project, token }: ForgeAddress): Promise<ForgeClient> {
  const [{ Commits, MergeRequestNotes, MergeRequests, Users }, { createRequesterFn }] = await Promise.all([import('@gitbeaker/core'), import('@gitbeaker/requester-utils')]);
  const host = api.replace(/\/api\/v4$/, '');
  const fetch = forgeFetch(host, token);
  const requesterFn = createRequesterFn(
    (_service, options) => Promise.resolve(options),
    async (endpoint, options) => {
      const { prefixUrl = '', searchParams = '', method = 'GET', headers = {}, body } = (options ?? {}) as RequestOptions;
      const url = new URL(endpoint, prefixUrl.endsWith('/') ? prefixUrl : `${prefixUrl}/`);
      url.search = searchParams;
      const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
      const text = await response.text();
      return { body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>), headers: Object.fromEntries(response.headers), status: response.status };
    },
  );
  const options = { host, token: token.reveal(), requesterFn };
  const [commits, notes, requests, users] = [new Commits(options), new MergeRequestNotes(options), new MergeRequests(options), new Users(options)];
  return {
    limits: { description: 255, comment: 500_000 },
    hidden: (text) => `<!-- ${text} -->`,
    me: async () => {
      try {
        return String((await users.showCurrentUser()).id);
      } catch (error) {
        if ([401, 403].includes(forgeErrorOf(error).status)) return null;
        throw error;
      }
    },
    setStatus: async ({ commit, state, context, description, url }) => {
      try {
        await commits.editStatus(project, commit, state === 'success' ? 'success' : 'failed', { name: context, description, targetUrl: url });
      } catch (error) {
        // Said already: a status does not go from a state to the same one.
        const refused = forgeErrorOf(error);
        if (!(refused.status === 400 && /cannot transition status/i.test(refused.message))) throw refused;
      }
    },
    hasStatus: async ({ commit, state, context, description }) => {
      const all = await commits.allStatuses(project, commit, { name: context });
      return all.some((status) => status.name === context && status.status === (state === 'success' ? 'success' : 'failed') && status.description === description);
    },
    comments: async (request, page) => {
      if (page > MAX_PAGES) return null;
      const found = await notes.all(project, request, { sort: 'asc', orderBy: 'created_at', perPage: PAGE, page, maxPages: 1 });
      return found.length === 0 ? null : found.map(({ id, body, author }) => ({ id: String(id), body, author: String(author.id) }));
    },
    createComment: async (request, body) => String((await notes.create(project, request, body)).id),
    updateComment: async (request, id, body) => {
      await notes.edit(project, request, Number(id), { body });
    },
    openRequests: async () => {
      const open = [];
      for (let page = 1; page <= MAX_PAGES; page++) {
        const found = await requests.all({ projectId: project, state: 'opened', perPage: PAGE, page, maxPages: 1 });
        if (!Array.isArray(found)) throw new ForgeError(0, 'the list of merge requests is no list');
        open.push(...found.map(({ iid, source_branch: branch, sha }) => ({ number: iid, branch, head: sha })));
        if (found.length < PAGE) break;
      }
      return open;
    },
  };
}

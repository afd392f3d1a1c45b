/** GitHub, its cloud and Enterprise Server, through its own client. */
import { Octokit } from '@octokit/core';
import type { ForgeAddress, ForgeClient } from './forge.ts';
import { ownerAndName } from './forge.ts';
import { forgeErrorOf, forgeFetch } from './forge-fetch.ts';

const PAGE = 100;
const MAX_PAGES = 10;

export function githubClient({ api, project, token }: ForgeAddress): ForgeClient {
  const silent = (): void => undefined;
  const octokit = new Octokit({ auth: token.reveal(), baseUrl: api, userAgent: 'tagboat', request: { fetch: forgeFetch(api, token) }, log: { debug: silent, info: silent, warn: silent, error: silent } });
  octokit.hook.error('request', (error) => {
    throw forgeErrorOf(error);
  });
  const at = { ...ownerAndName(project), headers: { 'x-github-api-version': '2022-11-28' } };
  return {
    limits: { description: 140, comment: 65_000 },
    hidden: (text) => `<!-- ${text} -->`,
    me: async () => {
      try {
        return String((await octokit.request('GET /user', { headers: at.headers })).data.id);
      } catch (error) {
        // An installation's token has no user; then comments are told by their marker alone.
        if ([401, 403, 404].includes(forgeErrorOf(error).status) && forgeErrorOf(error).pauseMs === null) return null;
        throw error;
      }
    },
    setStatus: async ({ commit, state, context, description, url }) => {
      await octokit.request('POST /repos/{owner}/{repo}/statuses/{sha}', { ...at, sha: commit, state, context, description, target_url: url });
    },
    hasStatus: async ({ commit, state, context, description, url }) => {
      const { data } = await octokit.request('GET /repos/{owner}/{repo}/commits/{ref}/statuses', { ...at, ref: commit, per_page: PAGE });
      const newest = data.find((status) => status.context === context);
      return newest !== undefined && newest.state === state && newest.description === description && newest.target_url === url;
    },
    comments: async (request, page) => {
      if (page > MAX_PAGES) return null;
      const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...at, issue_number: request, per_page: PAGE, page });
      return data.length === 0 ? null : data.map(({ id, body, user }) => ({ id: String(id), body: body ?? '', author: user === null ? null : String(user.id) }));
    },
    createComment: async (request, body) => String((await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...at, issue_number: request, body })).data.id),
    updateComment: async (_request, id, body) => {
      await octokit.request('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', { ...at, comment_id: Number(id), body });
    },
    openRequests: async () => {
      const open = [];
      for (let page = 1; page <= MAX_PAGES; page++) {
        const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls', { ...at, state: 'open', per_page: PAGE, page });
        open.push(...data.map(({ number, head }) => ({ number, branch: head.ref, head: head.sha })));
        if (data.length < PAGE) break;
      }
      return open;
    },
  };
}

/** Gitea and Forgejo (and Codeberg), after the API that each instance documents at /api/swagger. */
import { z } from 'zod';
import type { ForgeAddress, ForgeClient } from './forge.ts';
import { ownerAndName } from './forge.ts';
import { forgeErrorOf } from './forge-fetch.ts';
import { rest, segments } from './rest.ts';

/** The most that an instance gives at once unless its administrator says otherwise. */
const PAGE = 50;
const MAX_PAGES = 20;

const user = z.object({ id: z.number() });
const comment = z.object({ id: z.number(), body: z.string(), user: user.nullable().optional() });
const status = z.object({ context: z.string(), status: z.string(), description: z.string(), target_url: z.string() });
const pull = z.object({ number: z.number(), head: z.object({ ref: z.string(), sha: z.string() }) });

export function giteaClient({ api, project, token }: ForgeAddress): ForgeClient {
  const { get, send } = rest(api, token, `token ${token.reveal()}`);
  const { owner, repo } = ownerAndName(project);
  const at = `/repos${segments(owner, repo)}`;
  return {
    limits: { description: 255, comment: 65_000 },
    hidden: (text) => `<!-- ${text} -->`,
    me: async () => {
      try {
        return String((await get('/user', user)).id);
      } catch (error) {
        if ([401, 403].includes(forgeErrorOf(error).status)) return null; // the token has no scope for it
        throw error;
      }
    },
    setStatus: async ({ commit, state, context, description, url }) => {
      await send('POST', `${at}/statuses${segments(commit)}`, { state, context, description, target_url: url }, z.unknown());
    },
    hasStatus: async ({ commit, state, context, description, url }) => {
      const found = await get(`${at}/statuses${segments(commit)}?sort=recentupdate&page=1&limit=${PAGE}`, z.array(status));
      const newest = found.find((one) => one.context === context);
      return newest !== undefined && newest.status === state && newest.description === description && newest.target_url === url;
    },
    comments: async (request, page) => {
      if (page > 1) return null; // this list has no pages
      return (await get(`${at}/issues${segments(request)}/comments`, z.array(comment))).map(({ id, body, user: author }) => ({ id: String(id), body, author: author ? String(author.id) : null }));
    },
    createComment: async (request, body) => String((await send('POST', `${at}/issues${segments(request)}/comments`, { body }, comment)).id),
    updateComment: async (_request, id, body) => {
      await send('PATCH', `${at}/issues/comments${segments(id)}`, { body }, z.unknown());
    },
    openRequests: async () => {
      const open = [];
      for (let page = 1; page <= MAX_PAGES; page++) {
        const found = await get(`${at}/pulls?state=open&page=${page}&limit=${PAGE}`, z.array(pull));
        open.push(...found.map(({ number, head }) => ({ number, branch: head.ref, head: head.sha })));
        if (found.length < PAGE) break;
      }
      return open;
    },
  };
}

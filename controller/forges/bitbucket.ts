/** Bitbucket Cloud. Its pull requests are no refs, so reviews of its branches are told to the request from that branch. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ForgeAddress, ForgeClient } from './forge.ts';
import { ownerAndName } from './forge.ts';
import { forgeErrorOf } from './forge-fetch.ts';
import { rest, segments } from './rest.ts';

const PAGE = 50;
const MAX_PAGES = 20;

const user = z.object({ account_id: z.string().optional(), uuid: z.string().optional() });
const comment = z.object({ id: z.number(), content: z.object({ raw: z.string() }), user: user.nullable().optional(), deleted: z.boolean().optional() });
const comments = z.object({ values: z.array(comment) });
const pulls = z.object({ values: z.array(z.object({ id: z.number(), source: z.object({ branch: z.object({ name: z.string() }), commit: z.object({ hash: z.string() }).nullable() }) })), next: z.string().optional() });
const build = z.object({ state: z.string(), description: z.string().nullable().optional(), url: z.string() });

/** Keys are short, and part of a path. */
function keyOf(context: string): string {
  const key = context.replaceAll('/', '-');
  return key.length <= 40 ? key : `${key.slice(0, 31)}-${createHash('sha256').update(context).digest('hex').slice(0, 8)}`;
}

export function bitbucketClient({ api, project, token }: ForgeAddress): ForgeClient {
  const { get, send } = rest(api, token, `Bearer ${token.reveal()}`);
  const { owner, repo } = ownerAndName(project);
  const at = `/repositories${segments(owner, repo)}`;
  const stateOf = (state: 'success' | 'failure'): string => (state === 'success' ? 'SUCCESSFUL' : 'FAILED');
  return {
    limits: { description: 255, comment: 32_000 },
    // Markup of its own kind is shown there as it is written; a link definition that nobody uses shows nothing.
    hidden: (text) => `[//]: # (${text})`,
    me: async () => {
      try {
        const { account_id: account, uuid } = await get('/user', user);
        return account ?? uuid ?? null;
      } catch (error) {
        if ([401, 403, 404].includes(forgeErrorOf(error).status)) return null; // a repository's token has no account
        throw error;
      }
    },
    setStatus: async ({ commit, state, context, description, url }) => {
      await send('POST', `${at}/commit${segments(commit)}/statuses/build`, { key: keyOf(context), name: context, state: stateOf(state), description, url }, z.unknown());
    },
    hasStatus: async ({ commit, state, context, description, url }) => {
      try {
        const found = await get(`${at}/commit${segments(commit)}/statuses/build${segments(keyOf(context))}`, build);
        return found.state === stateOf(state) && found.description === description && found.url === url;
      } catch (error) {
        if (forgeErrorOf(error).status === 404) return false;
        throw error;
      }
    },
    comments: async (request, page) => {
      if (page > MAX_PAGES) return null;
      const { values } = await get(`${at}/pullrequests${segments(request)}/comments?sort=created_on&pagelen=${PAGE}&page=${page}`, comments);
      return values.length === 0 ? null : values.filter(({ deleted }) => deleted !== true).map(({ id, content, user: author }) => ({ id: String(id), body: content.raw, author: author?.account_id ?? author?.uuid ?? null }));
    },
    createComment: async (request, body) => String((await send('POST', `${at}/pullrequests${segments(request)}/comments`, { content: { raw: body } }, comment)).id),
    updateComment: async (request, id, body) => {
      await send('PUT', `${at}/pullrequests${segments(request)}/comments${segments(id)}`, { content: { raw: body } }, z.unknown());
    },
    openRequests: async () => {
      const open = [];
      for (let page = 1; page <= MAX_PAGES; page++) {
        const { values, next } = await get(`${at}/pullrequests?state=OPEN&pagelen=${PAGE}&page=${page}`, pulls);
        open.push(...values.map(({ id, source }) => ({ number: id, branch: source.branch.name, head: source.commit?.hash ?? '' })));
        if (next === undefined) break;
      }
      return open;
    },
  };
}

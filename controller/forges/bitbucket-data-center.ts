/** Bitbucket Data Center, after its REST API (`/rest/api/latest`), which has little in common with its cloud's. */
import { z } from 'zod';
import type { ForgeAddress, ForgeClient, ForgeComment } from './forge.ts';
import { ownerAndName } from './forge.ts';
import { forgeErrorOf } from './forge-fetch.ts';
import { rest, segments } from './rest.ts';

const PAGE = 100;
const MAX_PAGES = 20;

const comment = z.object({ id: z.number(), version: z.number(), text: z.string(), author: z.object({ name: z.string() }).nullable().optional() });
const paging = { isLastPage: z.boolean(), nextPageStart: z.number().nullable().optional() };
const activities = z.object({ values: z.array(z.object({ action: z.string(), comment: comment.optional() })), ...paging });
const pulls = z.object({ values: z.array(z.object({ id: z.number(), fromRef: z.object({ displayId: z.string(), latestCommit: z.string() }) })), ...paging });
const build = z.object({ state: z.string(), description: z.string().nullable().optional(), url: z.string() });

export function bitbucketDataCenterClient({ api, project, token }: ForgeAddress): ForgeClient {
  // The only word on whose token it is: a header of every answer to somebody who is signed in.
  let me: string | null = null;
  const { get, send } = rest(api, token, `Bearer ${token.reveal()}`, (headers) => (me = headers.get('x-ausername') ?? me));
  const { owner, repo } = ownerAndName(project);
  const at = `/projects${segments(owner)}/repos${segments(repo)}`;
  const stateOf = (state: 'success' | 'failure'): string => (state === 'success' ? 'SUCCESSFUL' : 'FAILED');
  const commentAt = (request: number, id: string): string => `${at}/pull-requests${segments(request)}/comments${segments(id)}`;
  /** Where the next page of a request's activities starts; only the host knows. */
  const starts = new Map<number, number | null>();

  /** A comment is changed as the version of it that was read; somebody may have been faster, once. */
  const update = async (request: number, id: string, body: string): Promise<void> => {
    const { version } = await get(commentAt(request, id), comment);
    await send('PUT', commentAt(request, id), { text: body, version }, z.unknown());
  };

  return {
    limits: { description: 255, comment: 32_000 },
    // HTML is shown there as it is written; a link definition that nobody uses shows nothing.
    hidden: (text) => `[//]: # (${text})`,
    me: async () => {
      if (me === null) await get('/application-properties', z.unknown());
      return me;
    },
    setStatus: async ({ commit, state, context, description, url }) => {
      await send('POST', `${at}/commits${segments(commit)}/builds`, { key: context, name: context, state: stateOf(state), description, url }, z.unknown());
    },
    hasStatus: async ({ commit, state, context, description, url }) => {
      try {
        const found = await get(`${at}/commits${segments(commit)}/builds?key=${encodeURIComponent(context)}`, build);
        return found.state === stateOf(state) && found.description === description && found.url === url;
      } catch (error) {
        if (forgeErrorOf(error).status === 404) return false;
        throw error;
      }
    },
    comments: async (request, page) => {
      const start = page === 1 ? 0 : (starts.get(request) ?? null);
      starts.delete(request);
      if (start === null || page > MAX_PAGES) return null;
      const { values, isLastPage, nextPageStart } = await get(`${at}/pull-requests${segments(request)}/activities?start=${start}&limit=${PAGE}`, activities);
      if (!isLastPage && nextPageStart != null) starts.set(request, nextPageStart);
      return values.flatMap(({ action, comment: said }): ForgeComment[] => (action !== 'COMMENTED' || said === undefined ? [] : [{ id: String(said.id), body: said.text, author: said.author?.name ?? null }]));
    },
    createComment: async (request, body) => String((await send('POST', `${at}/pull-requests${segments(request)}/comments`, { text: body }, comment)).id),
    updateComment: async (request, id, body) => {
      try {
        await update(request, id, body);
      } catch (error) {
        if (forgeErrorOf(error).status !== 409) throw error;
        await update(request, id, body);
      }
    },
    openRequests: async () => {
      const open = [];
      let start: number | null = 0;
      for (let page = 1; start !== null && page <= MAX_PAGES; page++) {
        const { values, isLastPage, nextPageStart }: z.infer<typeof pulls> = await get(`${at}/pull-requests?state=OPEN&direction=INCOMING&start=${start}&limit=${PAGE}`, pulls);
        open.push(...values.map(({ id, fromRef }) => ({ number: id, branch: fromRef.displayId, head: fromRef.latestCommit })));
        start = isLastPage ? null : (nextPageStart ?? null);
      }
      return open;
    },
  };
}

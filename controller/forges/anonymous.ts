/** Which requests are open, asked without a token: GitLab, Gitea and Forgejo tell it everybody for public projects. */
import { z } from 'zod';
import type { OpenRequest } from './forge.ts';
import { rest, segments } from './rest.ts';

export interface PublicProject {
  readonly provider: 'gitlab' | 'gitea';
  /** As `ForgeAddress` has it. */
  readonly api: string;
  readonly project: string;
}

const MOST = 1_000;

const SHAPES = {
  gitlab: z.array(z.object({ iid: z.number(), source_branch: z.string(), sha: z.string().nullable() }).transform(({ iid, source_branch: branch, sha }) => ({ number: iid, branch, head: sha ?? '' }))),
  gitea: z.array(z.object({ number: z.number(), head: z.object({ ref: z.string(), sha: z.string() }) }).transform(({ number, head }) => ({ number, branch: head.ref, head: head.sha }))),
} as const;

/** All of them, up to a thousand. Errors are `ForgeError`; a project that is not public is a 401, 403 or 404. */
export async function askAnonymously({ provider, api, project }: PublicProject): Promise<readonly OpenRequest[]> {
  const { get } = rest(api, null, null);
  const [path, size] = provider === 'gitlab' ? [`/api/v4/projects${segments(project)}/merge_requests?state=opened&per_page=`, 100] : [`/repos${segments(...project.split('/'))}/pulls?state=open&limit=`, 50];
  const open: OpenRequest[] = [];
  for (let page = 1; open.length < MOST; page++) {
    const found: readonly OpenRequest[] = await get(`${path}${size}&page=${page}`, SHAPES[provider]);
    open.push(...found);
    if (found.length < size) break;
  }
  return open;
}

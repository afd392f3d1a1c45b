/** The client of a team's Git host. */
import { bitbucketClient } from './bitbucket.ts';
import type { ForgeAddress, ForgeClient } from './forge.ts';
import { giteaClient } from './gitea.ts';
import { githubClient } from './github.ts';
import { gitlabClient } from './gitlab.ts';

export async function openForge(forge: ForgeAddress & { readonly provider: 'github' | 'gitlab' | 'gitea' | 'bitbucket' }): Promise<ForgeClient> {
  switch (forge.provider) {
    case 'github':
      return githubClient(forge);
    case 'gitlab':
      return gitlabClient(forge);
    case 'gitea':
      return giteaClient(forge);
    case 'bitbucket':
      return bitbucketClient(forge);
  }
}

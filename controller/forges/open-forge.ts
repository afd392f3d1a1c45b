/** The client of a team's Git host. */
import { bitbucketClient } from './bitbucket.ts';
import { bitbucketDataCenterClient } from './bitbucket-data-center.ts';
import type { ForgeAddress, ForgeClient } from './forge.ts';
import { giteaClient } from './gitea.ts';
import { githubClient } from './github.ts';
import { gitlabClient } from './gitlab.ts';

type Provider = 'github' | 'gitlab' | 'gitea' | 'bitbucket' | 'bitbucket-data-center';

export async function openForge(forge: ForgeAddress & { readonly provider: Provider }): Promise<ForgeClient> {
  switch (forge.provider) {
    case 'github':
      return githubClient(forge);
    case 'gitlab':
      return gitlabClient(forge);
    case 'gitea':
      return giteaClient(forge);
    case 'bitbucket':
      return bitbucketClient(forge);
    case 'bitbucket-data-center':
      return bitbucketDataCenterClient(forge);
  }
}

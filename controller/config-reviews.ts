/** How requests to merge are found and where their verdicts are told (`reviews` of a team). */
import type { ConfigPath, ConfigSource, RawSecret } from './config-source.ts';
import { milliseconds } from './config-source.ts';
import type { Secret } from './secret.ts';

export interface ReviewConfig {
  /** Where verdicts are told; null: nowhere but on the page. */
  readonly forge: ForgeConfig | null;
  /** Without a token: who may be asked which requests are open, should the project be public. */
  readonly publicProject: { readonly provider: 'gitlab' | 'gitea'; readonly api: string; readonly project: string } | null;
  /** Globs of plain branches that count as requests. */
  readonly branches: readonly string[];
  /** The most requests that are looked at; 0: none. */
  readonly limit: number;
  /** A request without a sign of life for so long is taken for closed where its host cannot be asked; 0: never. */
  readonly staleAfterMs: number;
}

export interface ForgeConfig {
  readonly provider: 'github' | 'gitlab' | 'gitea' | 'bitbucket' | 'bitbucket-data-center';
  /** Base address, without a slash at its end. The token goes to this host and no other (R1). */
  readonly api: string;
  /** `owner/name`, or the path of a GitLab project. */
  readonly project: string;
  readonly token: Secret;
}

export interface RawReviews {
  readonly provider?: ForgeConfig['provider'];
  readonly api?: string;
  readonly project?: string;
  readonly token?: RawSecret;
  readonly branches: readonly string[];
  readonly limit: number;
  readonly staleAfter: string;
}

export function completeReviews(raw: RawReviews, repository: string, at: ConfigPath, source: ConfigSource): ReviewConfig {
  const { provider, api, project } = whereabouts(raw, repository);
  const open = raw.token === undefined && (provider === 'gitlab' || provider === 'gitea') && api !== undefined && PROJECT.test(project) ? { provider, api, project } : null;
  return { forge: completeForge(raw, repository, at, source), publicProject: open, branches: raw.branches, limit: raw.limit, staleAfterMs: milliseconds(raw.staleAfter) };
}

const PROJECT = /^[^/\s?#]+(\/[^/\s?#]+)+$/;

/** Null without a token. */
function completeForge(reviews: RawReviews, repository: string, where: ConfigPath, source: ConfigSource): ForgeConfig | null {
  if (reviews.token === undefined) return null;
  const token = source.secret(reviews.token, [...where, 'token']);
  const { provider, api, project } = whereabouts(reviews, repository);
  if (provider === undefined) {
    source.fault(where, 'reviews has a token and needs a provider: github, gitlab, gitea, bitbucket or bitbucket-data-center');
    return null;
  }
  if (!PROJECT.test(project)) source.fault([...where, 'project'], 'the project on the host cannot be told from the repository URL; set reviews.project, for example acme/deployments');
  if (api === undefined) source.fault(where, 'reviews needs api, the address of the host\'s API');
  return { provider, api: api ?? '', project, token };
}

/** The public services' addresses and the project are derived from the repository where they can be. */
function whereabouts(reviews: RawReviews, repository: string): { readonly provider: ForgeConfig['provider'] | undefined; readonly api: string | undefined; readonly project: string } {
  // git@host:path is how people write SSH remotes; its API is at the same host over https.
  const written = repository.replace(/^[^/@:]+@([^/:]+):(?!\/\/)/, 'ssh://$1/');
  const url = URL.canParse(written) ? new URL(written) : null;
  const provider = reviews.provider ?? PUBLIC_FORGES.find(({ host }) => host === url?.hostname)?.provider;
  // Data Center serves Git over HTTP below /scm.
  const project = reviews.project ?? (url === null ? '' : url.pathname.replaceAll(/^\/+|\/+$|\.git\/*$/g, '').replace(provider === 'bitbucket-data-center' ? /^(.*\/)?scm\// : /^$/, ''));
  if (provider === undefined) return { provider, api: undefined, project };
  const own = url === null || PUBLIC_FORGES.some(({ host }) => host === url.hostname) ? undefined : { github: '/api/v3', gitlab: '', gitea: '/api/v1', bitbucket: undefined, 'bitbucket-data-center': '/rest/api/latest' }[provider];
  const api = reviews.api ?? (own === undefined ? PUBLIC_FORGES.find((forge) => forge.provider === provider)?.api : `${url!.protocol === 'http:' ? url!.origin : `https://${url!.hostname}`}${own}`);
  return { provider, api: api?.replace(/\/+$/, ''), project };
}

const PUBLIC_FORGES = [
  { host: 'github.com', provider: 'github', api: 'https://api.github.com' },
  { host: 'gitlab.com', provider: 'gitlab', api: 'https://gitlab.com' },
  { host: 'codeberg.org', provider: 'gitea', api: 'https://codeberg.org/api/v1' },
  { host: 'bitbucket.org', provider: 'bitbucket', api: 'https://api.bitbucket.org/2.0' },
] as const satisfies readonly { readonly host: string; readonly provider: ForgeConfig['provider']; readonly api: string }[];

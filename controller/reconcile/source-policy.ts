/**
 * Which other repositories a product may name, and with which credentials they are read (R1). The operator says it by URL patterns;
 * a repository that anybody can push to decides nothing. Pure.
 */
import { isOwnHost } from '../git/guarded-lookup.ts';
import type { Credentials, Remote } from '../git/remote.ts';
import { localPath, parseRemote, sshAddress } from '../git/remote.ts';
import { matchesGlob } from '../model/branch-glob.ts';

/** A pattern with what its repositories are read with. */
export interface SourceRule {
  /** A glob over the whole URL: `*` within a step, `**` any number of steps. */
  readonly url: string;
  readonly credentials: Credentials | null;
}

export interface SourcePolicy {
  /** In order; the first that matches counts. */
  readonly rules: readonly SourceRule[];
  readonly extraCa?: string;
}

/** The remote that a product's `source.repository` means, or why it is not read. Texts hold no user information. */
export function sourceRemote(repository: string, { rules, extraCa }: SourcePolicy): { readonly remote: Remote } | { readonly refused: string } {
  let plain: Remote;
  try {
    plain = parseRemote(repository);
  } catch (error) {
    return { refused: error instanceof Error ? error.message : 'the repository is no URL' };
  }
  if (localPath(plain) !== undefined) return { refused: 'a path of the controller\'s own machine is never a source' };
  // What the pattern and the server might take for different places.
  if (/%(?:2e|2f|5c|00)|\\/i.test(plain.url) || plain.url.split(/[/:]/).includes('..')) return { refused: `the URL ${plain.url} is ambiguous` };
  const rule = rules.find(({ url }) => matchesGlob(url, plain.url));
  if (rule === undefined) return { refused: `the controller configuration allows no source ${plain.url}` };
  const guarded = !namesHost(rule.url);
  const host = sshAddress(plain)?.host ?? new URL(plain.url).hostname;
  if (guarded && isOwnHost(host)) return { refused: `${plain.url} leads to the controller's own machine or network, which no pattern names` };
  return { remote: parseRemote(repository, rule.credentials, { guarded, ...(extraCa !== undefined && { extraCa }) }) };
}

/** Whether a pattern names one host literally: only then the operator has chosen it, and only then credentials may go there. */
export function namesHost(pattern: string): boolean {
  const authority = /^[a-z+]+:\/\/([^/]+)\//i.exec(pattern)?.[1] ?? /^([^/:]+@[^/:]+):/.exec(pattern)?.[1];
  return authority !== undefined && !/[*?]/.test(authority.slice(authority.lastIndexOf('@') + 1));
}

/**
 * Git hosts, told what a request would do: a commit status and one comment that is kept up to date. One file for each
 * host; all of them speak through `forgeFetch`, which alone knows the token. Bitbucket is two hosts: its cloud and Data Center.
 *
 * Nothing in this room writes to the database or reads a repository.
 */
import type { Secret } from '../secret.ts';

export interface CommitStatus {
  /** The head of the request. */
  readonly commit: string;
  readonly state: 'success' | 'failure';
  /** Names the check, one for a team: `tagboat/acme`. */
  readonly context: string;
  readonly description: string;
  /** The review's page. */
  readonly url: string;
}

export interface OpenRequest {
  readonly number: number;
  /** Of its head; in a fork possibly the name of a branch here, too. */
  readonly branch: string;
  readonly head: string;
}

/** A comment as hosts list it. */
export interface ForgeComment {
  readonly id: string;
  readonly body: string;
  /** Of whoever wrote it; null where the host does not say. */
  readonly author: string | null;
}

/** What each host can do. Errors are `ForgeError`. */
export interface ForgeClient {
  /** Longest description of a status and longest comment, in characters. */
  readonly limits: { readonly description: number; readonly comment: number };
  /** Markup of this host that shows nothing and holds `text`. */
  hidden(text: string): string;
  /** The account of the token; null where the token may not ask. */
  me(): Promise<string | null>;
  setStatus(status: CommitStatus): Promise<void>;
  /** Whether the newest status of that context says just this. */
  hasStatus(status: CommitStatus): Promise<boolean>;
  /** In one order; pages from 1, one after the other. Null: there are no more pages. */
  comments(request: number, page: number): Promise<readonly ForgeComment[] | null>;
  createComment(request: number, body: string): Promise<string>;
  updateComment(request: number, id: string, body: string): Promise<void>;
  /** All open requests, up to a thousand. */
  openRequests(): Promise<readonly OpenRequest[]>;
}

export interface ForgeAddress {
  /** Base address of the API, without a slash at its end. */
  readonly api: string;
  /** `owner/name`, or a GitLab project's path. */
  readonly project: string;
  readonly token: Secret;
}

/** `owner/name` in its two halves. */
export function ownerAndName(project: string): { readonly owner: string; readonly repo: string } {
  const [owner = '', repo = ''] = project.split('/');
  return { owner, repo };
}

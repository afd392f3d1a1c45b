/** Deliveries as Git hosts make them: the headers and payloads of their documentation, signed. */
import { createHmac, randomUUID } from 'node:crypto';
import type { Provider } from '../webhooks/signature.ts';

export interface Delivery {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface PushOptions {
  readonly secret: string;
  /** Full name. */
  readonly ref?: string;
  /** `owner/name`. */
  readonly repository?: string;
  readonly id?: string;
  /** Makes payloads different, as commits do. */
  readonly after?: string;
}

/** A push of one ref. */
export function pushDelivery(provider: Provider, options: PushOptions): Delivery {
  const { ref = 'refs/heads/main', repository = 'acme/deployments', after = randomUUID().replaceAll('-', '') } = options;
  return delivery(provider, EVENTS[provider], PAYLOADS[provider](ref, repository, after), options);
}

/** Any event with any payload. */
export function delivery(provider: Provider, event: string, payload: unknown, { secret, id = randomUUID() }: { readonly secret: string; readonly id?: string }): Delivery {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const hex = createHmac('sha256', secret).update(body).digest('hex');
  return { body, headers: { 'content-type': 'application/json', ...HEADERS[provider](event, id, hex, secret) } };
}

/** GitLab's signing token: Standard Webhooks. `timestamp` in seconds. */
export function signedByGitlab(payload: unknown, secret: string, timestamp: number, id: string = randomUUID()): Delivery {
  const body = JSON.stringify(payload);
  const signature = createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64')).update(`${id}.${String(timestamp)}.${body}`).digest('base64');
  return { body, headers: { 'content-type': 'application/json', 'x-gitlab-event': 'Push Hook', 'idempotency-key': id, 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': `v1,${signature}` } };
}

const EVENTS = { github: 'push', gitea: 'push', forgejo: 'push', gitlab: 'Push Hook', bitbucket: 'repo:push' } as const satisfies Record<Provider, string>;

const HEADERS = {
  github: (event, id, hex) => ({ 'x-github-event': event, 'x-github-delivery': id, 'x-hub-signature-256': `sha256=${hex}` }),
  gitlab: (event, id, _hex, secret) => ({ 'x-gitlab-event': event, 'x-gitlab-event-uuid': id, 'x-gitlab-token': secret }),
  // Both also send the headers of those that they are compatible with.
  gitea: (event, id, hex) => ({ 'x-gitea-event': event, 'x-gitea-delivery': id, 'x-gitea-signature': hex, 'x-github-event': event, 'x-github-delivery': id, 'x-hub-signature-256': `sha256=${hex}` }),
  forgejo: (event, id, hex) => ({ 'x-forgejo-event': event, 'x-forgejo-delivery': id, 'x-forgejo-signature': hex, 'x-gitea-event': event, 'x-gitea-delivery': id, 'x-gitea-signature': hex, 'x-github-event': event }),
  bitbucket: (event, id, hex) => ({ 'x-event-key': event, 'x-request-uuid': id, 'x-hub-signature': `sha256=${hex}` }),
} as const satisfies Record<Provider, (event: string, id: string, hex: string, secret: string) => Record<string, string>>;

const githubLike = (ref: string, repository: string, after: string): unknown => ({
  ref,
  before: '0'.repeat(40),
  after,
  repository: { full_name: repository, clone_url: `https://git.example.test/${repository}.git`, ssh_url: `git@git.example.test:${repository}.git`, html_url: `https://git.example.test/${repository}` },
});

const PAYLOADS = {
  github: githubLike,
  gitea: githubLike,
  forgejo: githubLike,
  gitlab: (ref, repository, after) => ({
    object_kind: ref.startsWith('refs/tags/') ? 'tag_push' : 'push',
    ref,
    checkout_sha: after,
    project: { path_with_namespace: repository, git_http_url: `https://git.example.test/${repository}.git`, git_ssh_url: `git@git.example.test:${repository}.git`, web_url: `https://git.example.test/${repository}` },
  }),
  bitbucket: (ref, repository, after) => ({
    repository: { full_name: repository, links: { html: { href: `https://bitbucket.org/${repository}` } } },
    push: { changes: [{ new: { type: ref.startsWith('refs/tags/') ? 'tag' : 'branch', name: ref.replace(/^refs\/(heads|tags)\//, ''), target: { hash: after } }, old: null }] },
  }),
} as const satisfies Record<Provider, (ref: string, repository: string, after: string) => unknown>;

/** Whose commits a team deploys from: the switches of its Team manifest and what it takes to obey them. Pure. */
import type { Manifest } from './manifest.ts';

export interface SigningKey {
  readonly type: 'ssh' | 'gpg';
  /** SSH in the form of authorized_keys, OpenPGP armoured; public. */
  readonly key: string;
}

export interface TrustedMember {
  readonly email: string;
  readonly keys: readonly SigningKey[];
}

export interface Trust {
  readonly requireSignedCommits: boolean;
  readonly requireKnownAuthors: boolean;
  readonly members: readonly TrustedMember[];
}

/** No switch is on. */
export const ANYBODY: Trust = Object.freeze({ requireSignedCommits: false, requireKnownAuthors: false, members: [] });

/** What a Team manifest asks for; without one nothing is asked for. */
export function trustOf(team: Manifest<'Team'> | undefined): Trust {
  const { requireSignedCommits = false, requireKnownAuthors = false } = team?.spec.policy ?? {};
  if (!requireSignedCommits && !requireKnownAuthors) return ANYBODY;
  const members = (team?.spec.members ?? []).map(({ email, keys = [] }) => ({ email, keys: keys.map(({ type, key }) => ({ type, key })) }));
  return { requireSignedCommits, requireKnownAuthors, members };
}

/** Type and key material of a public key as `authorized_keys` and `*.pub` have it, options before it allowed; undefined if it is none. */
export function sshKeyBlob(text: string): { readonly type: string; readonly blob: Buffer } | undefined {
  const found = /(?:^|\s)((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]{1,60})[ \t]+([A-Za-z0-9+/]{16,}={0,2})(?:\s|$)/.exec(text);
  if (found === null) return undefined;
  const [, type, base64] = found as unknown as [string, string, string];
  const blob = Buffer.from(base64, 'base64');
  const named = blob.length > 4 + type.length && blob.readUInt32BE(0) === type.length && blob.toString('latin1', 4, 4 + type.length) === type;
  return named ? { type, blob } : undefined;
}

/** Whether it looks like a key at all, as far as that is told without the means to use it. */
export function isSigningKey({ type, key }: SigningKey): boolean {
  return type === 'ssh' ? sshKeyBlob(key) !== undefined : /^-----BEGIN PGP PUBLIC KEY BLOCK-----[^]*^-----END PGP PUBLIC KEY BLOCK-----/m.test(key);
}

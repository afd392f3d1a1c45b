/** Asks the controller what is live. The shapes are the plan's own; what matters for choosing is checked. */
import { z } from 'zod';
import type { LiveState } from '../plan/live-state.ts';
import type { FollowedDigest } from '../plan/types.ts';
import type { StoredVersion } from '../store/versions.ts';
import type { ControllerClient } from './client.ts';

export interface LiveStateAnswer extends LiveState {
  readonly team: string;
  /** The commit that was read last; null before the first. */
  readonly commit: string | null;
  readonly branch: string;
  readonly directory: string;
  /** By `product/name`. */
  readonly frozen: ReadonlyMap<string, StoredVersion>;
  readonly owners: ReadonlyMap<string, string>;
  /** Public keys by node. */
  readonly recipients: ReadonlyMap<string, readonly string[]>;
  /** What followed tags mean, by target. */
  readonly followed: ReadonlyMap<string, readonly FollowedDigest[]>;
}

const shape = z.object({
  team: z.string(), commit: z.string().nullable(), branch: z.string(), directory: z.string(),
  targets: z.array(z.object({ node: z.string(), prefix: z.string(), deployment: z.string(), records: z.array(z.object({ id: z.number(), status: z.string() }).passthrough()) }).passthrough()),
  versions: z.array(z.object({ id: z.number(), product: z.string(), kind: z.enum(['rolling', 'incremental']), name: z.string(), parent: z.number().nullable() })),
  goodSpecs: z.record(z.unknown()), nodes: z.record(z.object({ status: z.enum(['connected', 'unreachable', 'enrolling', 'revoked']), simulated: z.boolean() })),
  drift: z.record(z.array(z.object({ container: z.string(), field: z.string() }).passthrough())),
  frozen: z.array(z.object({ product: z.string(), name: z.string() }).passthrough()), owners: z.record(z.string()), recipients: z.record(z.array(z.string())), followed: z.record(z.array(z.object({ name: z.string(), image: z.string(), digest: z.string() }))),
});

export async function readLiveState(client: ControllerClient, team: string): Promise<LiveStateAnswer> {
  const answer = await client.get(`/teams/${encodeURIComponent(team)}/live-state`, shape);
  const state = answer as unknown as LiveState & { readonly frozen: readonly StoredVersion[] };
  return {
    ...state,
    team: answer.team,
    commit: answer.commit,
    branch: answer.branch,
    directory: answer.directory,
    frozen: new Map(state.frozen.map((version) => [`${version.product}/${version.name}`, version])),
    owners: new Map(Object.entries(answer.owners)),
    recipients: new Map(Object.entries(answer.recipients)),
    followed: new Map(Object.entries(answer.followed)),
  };
}

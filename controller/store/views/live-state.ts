/** What `tagboat plan` plans against: the recorded and observed values of a team, of one moment, secrets masked. */
import { sql } from 'slonik';
import type { DatabasePool } from 'slonik';
import { maskSecrets } from '../../plan/mask.ts';
import { toLiveState } from '../../plan/live-state.ts';
import type { LiveState } from '../../plan/live-state.ts';
import type { FollowedDigest } from '../../plan/types.ts';
import { loadOwners } from '../deployments.ts';
import { loadFollowed } from '../followed.ts';
import { loadNodeStates, loadRecipients } from '../nodes.ts';
import { loadDrift } from '../observed.ts';
import { loadRecorded } from '../recorded.ts';
import type { StoredVersion } from '../versions.ts';
import { loadFrozenVersions } from '../versions.ts';

export interface TeamLiveState extends LiveState {
  /** Versions that are frozen (R8), and who owns which target (R10). */
  readonly frozen: readonly StoredVersion[];
  readonly owners: Readonly<Record<string, string>>;
  /** Public keys that secrets are sealed to, by node. */
  readonly recipients: Readonly<Record<string, readonly string[]>>;
  /** What followed tags mean, by target. */
  readonly followed: Readonly<Record<string, readonly FollowedDigest[]>>;
}

export async function loadLiveState(pool: DatabasePool, team: string): Promise<TeamLiveState> {
  return pool.transaction(async (tx) => {
    await tx.query(sql.unsafe`set transaction isolation level repeatable read read only`);
    const recorded = await loadRecorded(tx, team);
    const observed = { nodes: await loadNodeStates(tx, team), drift: await loadDrift(tx, team) };
    const frozen = [...(await loadFrozenVersions(tx, team)).values()];
    return { ...toLiveState(recorded, observed), frozen: frozen.map((version) => ({ ...version, frozen: maskSecrets(version.frozen) })), owners: Object.fromEntries(await loadOwners(tx, team)), recipients: Object.fromEntries(await loadRecipients(tx, team)), followed: Object.fromEntries(await loadFollowed(tx, team)) };
  });
}

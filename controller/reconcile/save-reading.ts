/** Writes what a new reading of the repository says, and tells which deployments have to be planned for it. */
import type { DatabasePool } from 'slonik';
import { hashOf } from '../model/canonical.ts';
import { saveWatched } from '../store/deliveries.ts';
import { markUndeclared, saveDesired } from '../store/deployments.ts';
import { forgetFollowed } from '../store/followed.ts';
import { saveNodes } from '../store/nodes.ts';
import { saveNotifications } from '../store/notifications.ts';
import { saveRefusal, saveSynced } from '../store/teams.ts';
import { saveProducts, saveVersions } from '../store/versions.ts';
import type { Reading } from './read-repository.ts';

/**
 * One transaction; compares with the reading before, so that cost follows the change. `all`: there was none before, or
 * something disappeared and the whole team has to be looked at.
 */
export async function saveReading(pool: DatabasePool, reading: Reading, before: Reading | undefined): Promise<'all' | readonly string[]> {
  const { desired } = reading;
  const changed = before === undefined ? [...desired.deployments.keys()] : changedNames(before, reading);
  const gone = before === undefined || [...names(before)].some((name) => !names(reading).has(name));
  const wanted = changed.flatMap((name) => desired.deployments.get(name) ?? []);
  const blocked = [...desired.blocked.values()].filter((item) => before === undefined || changed.includes(item.name));
  await pool.transaction(async (tx) => {
    if (before?.nodes !== reading.nodes) await saveNodes(tx, desired.team, reading.nodes);
    if (before?.notifications !== reading.notifications || before.desired.mayRemove !== desired.mayRemove) await saveNotifications(tx, desired.team, reading.notifications, desired.mayRemove);
    if (before?.products !== reading.products) await saveProducts(tx, desired.team, reading.products);
    if (before === undefined || hashOf(before.versions) !== hashOf(reading.versions)) await saveVersions(tx, desired.team, reading.versions, reading.unread);
    await saveDesired(tx, desired.team, desired.commit, wanted, blocked);
    // A manifest that is broken for the moment may follow; so its target keeps what was found.
    const followed = [...[...desired.deployments.values()].filter(({ spec }) => spec.follow !== undefined), ...desired.blocked.values()].map(({ node, prefix }) => `${node}/${prefix}`);
    await forgetFollowed(tx, desired.team, followed);
    if (gone) await markUndeclared(tx, desired.team, [...names(reading)]);
    if (before?.watched !== reading.watched) await saveWatched(tx, desired.team, reading.watched);
    await saveSynced(tx, desired.team, desired.commit, reading.refsDigest, reading.members, reading.trust);
    await saveRefusal(tx, desired.team, reading.refused);
  });
  const removalsMayChange = before !== undefined && before.desired.mayRemove !== desired.mayRemove;
  return before === undefined || gone || removalsMayChange ? 'all' : changed;
}

function names(reading: Reading): Set<string> {
  return new Set([...reading.desired.deployments.keys(), ...reading.desired.blocked.keys()]);
}

/** Resolved deployments are the same object when nothing that they are made of changed (read-repository). */
function changedNames(before: Reading, after: Reading): string[] {
  const changed: string[] = [];
  for (const [name, wanted] of after.desired.deployments) if (before.desired.deployments.get(name) !== wanted) changed.push(name);
  for (const [name, item] of after.desired.blocked) if (before.desired.blocked.get(name) !== item) changed.push(name);
  return changed;
}

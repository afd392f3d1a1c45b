/**
 * The sweeper: nothing stays in progress for ever, whoever crashed or went offline (R22). Every replica runs one; what it
 * does is guarded by the rows themselves, so two of them do no harm.
 */
import type { Logger } from 'pino';
import type { DatabasePool } from 'slonik';
import { overdue } from '../store/attempts.ts';
import { finishAttempt } from '../store/finish-attempt.ts';
import { expireConnections } from '../store/nodes.ts';
import { notifyPlan } from '../store/notify.ts';
import type { Retention } from '../store/retention.ts';
import { forgetOld, RETENTION_BATCH } from '../store/retention.ts';
import { Bell } from './bell.ts';

const EVERY_MS = 2_000;
/** After the deadline, before the attempt is given up: a result may be on its way, and agents restore after theirs. */
const GRACE_MS = 60_000;

/** Old rows are looked for this often, and again at once while there are more than a batch holds. */
const FORGET_EVERY_MS = 10 * 60_000;

export interface SweepOptions {
  readonly pool: DatabasePool;
  readonly log: Logger;
  readonly graceMs?: number;
  readonly retention: Retention;
}

export async function runSweepLoop(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const bell = new Bell();
  let forgetAt = performance.now();
  while (!signal.aborted) {
    try {
      await sweepOnce(options);
      if (performance.now() >= forgetAt) {
        forgetAt = performance.now() + FORGET_EVERY_MS;
        if (await forgetOnce(options)) forgetAt = 0;
      }
    } catch (error) {
      options.log.warn({ err: error }, 'the sweep did not finish; it runs again');
    }
    await bell.wait(EVERY_MS, signal);
  }
}

/** True when there is more to forget. */
async function forgetOnce({ pool, log, retention }: SweepOptions): Promise<boolean> {
  const counts = await forgetOld(pool, retention);
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (total > 0) log.info({ ...counts }, 'old rows were forgotten, as the configuration says (retention)');
  return Object.values(counts).some((count) => count >= RETENTION_BATCH);
}

/** One pass: connections whose replica died, attempts that nobody reported. */
async function sweepOnce({ pool, log, graceMs = GRACE_MS }: SweepOptions): Promise<void> {
  for (const team of await expireConnections(pool)) await notifyPlan(pool, { team });
  for (const attempt of await overdue(pool, graceMs)) {
    const finished = await pool.transaction(async (tx) => {
      const end = await finishAttempt(tx, attempt, {
        attemptId: attempt.id,
        outcome: 'lost',
        code: 'DeadlineExceeded',
        reason: `node ${attempt.node} did not report a result by the deadline`,
        restored: true,
        digests: [],
        evidence: [],
      });
      if (end?.first) await notifyPlan(tx, { team: end.team, deployments: [end.deployment] });
      return end;
    });
    if (finished?.first) log.warn({ team: attempt.team, node: attempt.node, attempt: attempt.id }, 'attempt given up: no result by its deadline');
  }
}

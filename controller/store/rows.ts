/** Row schemas that several queries share; slonik checks every row against them. Ids are bigint in SQL and fit a number. */
import { z } from 'zod';

/** PostgreSQL bigints arrive as numbers (pool.ts); 2^53 ids are enough. */
export const id = z.number().int();
export const statusRow = z.enum(['preparing', 'in-progress', 'successful', 'failed', 'obsolete', 'downgraded']);
export const versionKindRow = z.enum(['rolling', 'incremental']);
export const attemptKindRow = z.enum(['deploy', 'remove', 'heal']);
export const outcomeRow = z.enum(['succeeded', 'failed', 'cancelled', 'superseded', 'lost']);
export const nothing = z.object({}).strict();

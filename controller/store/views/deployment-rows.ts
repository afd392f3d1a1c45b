/** The shape of a deployment as views read it. */
import { z } from 'zod';
import { id, statusRow, versionKindRow } from '../rows.ts';
import { nodeStatusRow } from './nodes.ts';

export const syncRow = z.enum(['synced', 'out-of-sync', 'blocked']);
export const healthRow = z.enum(['healthy', 'progressing', 'degraded', 'missing', 'unknown']);

/** As the agents report it; lenient, for an older or newer agent may say less or more. */
const containerRow = z.object({
  name: z.string(), imageName: z.string().default(''), image: z.string().default(''), digest: z.string().default(''), state: z.string().default(''),
  health: z.string().default(''), restarts: z.number().default(0), exitCode: z.number().default(0), detail: z.string().default(''),
});

const driftRow = z.object({ container: z.string(), field: z.string(), expected: z.string().default(''), actual: z.string().default('') });

const openAttemptRow = z.object({
  id, state: z.enum(['queued', 'running']), kind: z.enum(['deploy', 'remove', 'heal']), step: z.string().nullable(), text: z.string().nullable(),
  notBefore: z.string(), startedAt: z.string().nullable(), deadline: z.string().nullable(), stopping: z.boolean(),
});

export const deploymentRow = z.object({
  name: z.string(), product: z.string().nullable(), version: z.string().nullable(), versionKind: versionKindRow.nullable(),
  node: z.string().nullable(), prefix: z.string().nullable(), status: statusRow, sync: syncRow, syncReason: z.string(), health: healthRow,
  observedReason: z.string(), observedAt: z.date().nullable(), recordId: id.nullable(), recordReason: z.string(),
  commit: z.string().nullable(), updatedAt: z.date(), declared: z.boolean(), protected: z.boolean(),
  wantedVersion: z.string().nullable(), liveVersion: z.string().nullable(), nodeStatus: nodeStatusRow.nullable(), simulated: z.boolean(),
  containers: z.array(containerRow), drift: z.array(driftRow), attempt: openAttemptRow.nullable(),
  leftovers: z.array(z.object({ node: z.string(), prefix: z.string() })),
});
export type DeploymentRow = z.infer<typeof deploymentRow>;

/** `reason`: the one sentence that explains what is not fine; '' when all is. */
export type DeploymentView = Omit<DeploymentRow, 'observedReason' | 'recordReason' | 'attempt'> & {
  readonly attempt: (z.infer<typeof openAttemptRow>) | null;
  readonly drifted: boolean;
  readonly reason: string;
  readonly healthReason: string;
  /** Deployments that have to succeed first, and the node where it is not there. */
  readonly waitingFor: readonly string[];
};

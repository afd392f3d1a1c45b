/** A process that carries one attempt out and kills itself with SIGKILL at a given call. Arguments: one JSON object. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { rollOut } from '../containers/rollout.ts';
import { connectDocker } from '../docker/connect.ts';
import { DockerRuntime } from '../docker/docker-runtime.ts';
import { killAt, type KillPoint } from './kill-at.ts';
import { contextOf } from './spec.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as { host: string; spec: TargetSpec; attemptId: number; point: KillPoint };
const runtime = killAt(new DockerRuntime(connectDocker({ host: order.host })), order.point, { changesOnly: true, onDeath: () => process.kill(process.pid, 'SIGKILL') }).runtime;
void rollOut(runtime, order.spec, undefined, contextOf(order.attemptId)).then((end) => {
  process.stdout.write(end.outcome);
});

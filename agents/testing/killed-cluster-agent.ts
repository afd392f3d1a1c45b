/** A process that carries one attempt out on a cluster, tells its steps, and is killed by who started it. Arguments: one JSON object. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { createKubernetesEngine } from '../kubernetes/engine.ts';
import { contextOf } from './spec.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as { kubeconfig: string; spec: TargetSpec; attemptId: number };
const engine = await createKubernetesEngine({ kubeconfig: order.kubeconfig });
const context = { ...contextOf(order.attemptId), progress: (step: string, text: string) => void process.stdout.write(`${step}: ${text}\n`) };
process.stdout.write((await engine.deploy(order.spec, undefined, context)).outcome);

/** From a push, told by webhook, to the plan in the agent's hands: a real Git server, PostgreSQL, the simulated engine; polling is off. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../../agents/core/engine.ts';
import { createSimulatedEngine } from '../../agents/simulated/engine.ts';
import { Stack } from '../testing/stack.ts';
import { deploymentManifest, NODE, PRODUCT, versionManifest } from '../testing/story.ts';
import { pushDelivery } from '../web/testing/hooks.ts';

const SECRET = 'bench-webhook-secret-0123';
const WARM_UP = 3;
const ROUNDS = 40;
const PROMISE_MS = 1_000;

/** The engine, which also tells when it is handed an attempt. */
function watched(engine: Engine, onDeploy: () => void): Engine {
  return new Proxy(engine, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (key === 'deploy') onDeploy();
        return Reflect.apply(value, target, args);
      };
    },
  });
}

let arrived: ((at: number) => void) | undefined;
const stack = await Stack.start(
  { 'nodes/harbor.yaml': NODE, 'products/shop/product.yaml': PRODUCT, 'products/shop/version.yaml': versionManifest('0'), 'deployments/shop.yaml': deploymentManifest('shop', '  branch: main\n') },
  { engine: watched(createSimulatedEngine(), () => arrived?.(performance.now())), poll: '0 0 0 1 1 *', settings: { TAGBOAT_TEAMS_0_WEBHOOK_SECRET: SECRET } },
);
const times: number[] = [];
try {
  await stack.settled('shop', 'main');
  for (let round = 1; round <= WARM_UP + ROUNDS; round += 1) {
    const commit = await stack.repository.commit({ 'products/shop/version.yaml': versionManifest(String(round)) });
    const { headers, body } = pushDelivery('github', { secret: SECRET, repository: 'acme', after: commit });
    const handed = new Promise<number>((resolve) => (arrived = resolve));
    const begun = performance.now();
    const response = await fetch(`${stack.controller.url}/webhooks/acme`, { method: 'POST', headers, body });
    if (response.status !== 202) throw new Error(`the webhook was answered ${String(response.status)}: ${await response.text()}`);
    await response.body?.cancel();
    const ms = (await handed) - begun;
    if (round > WARM_UP) times.push(ms);
    await stack.settled('shop', 'main', commit);
    // Pushes come one by one; those of one second are one look.
    await sleep(1_000);
  }
} finally {
  await stack.stop();
}
times.sort((a, b) => a - b);
const at = (share: number): number => Math.round(times[Math.min(Math.ceil(times.length * share), times.length) - 1]!);
console.log(`webhook to the plan on the agent, ${String(ROUNDS)} pushes: median ${String(at(0.5))} ms, p95 ${String(at(0.95))} ms, slowest ${String(at(1))} ms (promised: p95 under ${String(PROMISE_MS)} ms)`);
if (at(0.95) >= PROMISE_MS) process.exitCode = 1;

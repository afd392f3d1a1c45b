import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testController } from './testing/controller.ts';
import type { TestController } from './testing/controller.ts';
import { seedHarbour } from './testing/harbour.ts';
import type { Route } from './routes.ts';

const test = suite('access');
let controller: TestController;
test.before(async () => {
  controller = await testController();
  await seedHarbour(controller.db.pool);
});
test.after(() => controller.stop());

/** The address of a route in team acme. */
function address(route: Route, team = 'acme'): string {
  return route.path.replace(':team', team).replace(':kind.json', 'deployment.json').replaceAll(/:\w+/g, 'shop');
}

async function status(route: Route, token: string, team?: string): Promise<number> {
  const response = await controller.fetch(address(route, team), { token, method: route.method, headers: { accept: 'application/json' } });
  await response.body?.cancel();
  return response.status;
}

test('every route says what it needs, and without a token only those for anybody answer', async () => {
  assert.ok(controller.routes.length > 25, String(controller.routes.length));
  for (const route of controller.routes) {
    for (const token of ['', 'wrong']) {
      const code = await status(route, token);
      assert.is(code === 401, route.need !== 'anybody', `${route.method} ${route.path} needs ${route.need} and answers ${String(code)} to "${token}"`);
    }
  }
});

test('no route is made past the table', () => {
  const folder = new URL('.', import.meta.url);
  const makers = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && /\bRouter\(|\bapp\.(get|post|put|patch|delete|all|route)\('\//.test(readFileSync(new URL(name, folder), 'utf8')));
  assert.equal(makers, ['routes.ts']);
});

test.run();

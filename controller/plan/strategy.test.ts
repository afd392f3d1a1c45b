import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseStrategy } from './strategy.ts';

test('a port of the node means a gap, and the plan says which port and that there is one; behind the proxy there is none', () => {
  const of = (config: Parameters<typeof chooseStrategy>[1]): string => {
    const { strategy, reason } = chooseStrategy('db', config, 'auto');
    return `${strategy}: ${reason}`;
  };
  assert.match(of({ ports: [{ internal: 5432, external: 15432 }] }), /^recreate: port 15432 of the node .* there is a gap between stopping the old container and the new one being healthy$/);
  assert.match(of({ portRanges: [{ internal: { from: 1, to: 2 }, external: { from: 1, to: 2 } }] }), /^recreate: its port range .* there is a gap /);
  assert.match(of({ ports: [{ internal: 5432 }] }), /^start-first: /);
  for (const expose of ['http', 'https'] as const) assert.match(of({ expose, routing: { domain: 'shop.example.org', port: 80 } }), /^start-first: .*led over without a gap$/);
  assert.match(of({ expose: 'https', ports: [{ internal: 80, external: 8080 }] }), /^recreate: port 8080 .* there is a gap /, 'the proxy does not help who publishes a port besides');
});

test.run();

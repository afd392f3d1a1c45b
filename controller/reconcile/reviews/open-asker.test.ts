import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ForgeError } from '../../forges/forge-fetch.ts';
import { silentLogger } from '../../log.ts';
import { OpenAsker } from './open-asker.ts';

const test = suite('asking without a token');
const OPEN = [{ number: 7, branch: 'topic', head: 'a'.repeat(40) }];

test('it asks once for one state of the refs, and goes by the last word while the host is silent', async () => {
  let asked = 0;
  const host: { fault?: Error } = {};
  const asker = new OpenAsker({ team: 'acme', log: silentLogger(), ask: () => (asked++, host.fault === undefined ? Promise.resolve(OPEN) : Promise.reject(host.fault)) });
  assert.equal([await asker.openRequests('one'), await asker.openRequests('one'), asked], [OPEN, OPEN, 1]);
  assert.equal([await asker.openRequests('two'), asked], [OPEN, 2]);
  host.fault = new ForgeError(404, 'not found');
  assert.equal([await asker.openRequests('three'), await asker.openRequests('four'), asked], [null, null, 3]);
  assert.equal(await asker.openRequests('two'), OPEN);
});

test.run();

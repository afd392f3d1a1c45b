import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ExchangeFiles } from './exchange-files.ts';

test('of the one on trial and its guard the first decides, and the other finds out; at the end nothing is left', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-exchange-'));
  const record = { version: '2.0.0', image: 'tagboat:2.0.0', from: 'a', to: 'b' };
  const [trial, guard] = [new ExchangeFiles(directory), new ExchangeFiles(directory)];
  const [yes, no] = [{ accepted: true, reason: '' }, { accepted: false, reason: 'too late' }];
  trial.begin(record);
  assert.is(guard.verdict(record), undefined);
  assert.is(trial.decide(record, yes), true);
  assert.is(guard.decide(record, no), false);
  assert.is(trial.decide(record, yes), true, 'said again after a crash');
  assert.equal(guard.verdict(record), yes);
  trial.begin(record);
  assert.is(guard.decide(record, no), true, 'another exchange for the same one');
  assert.is(trial.decide(record, yes), false);
  trial.end(record);
  assert.equal(readdirSync(join(directory, 'exchange')), []);
  rmSync(directory, { recursive: true, force: true });
});

test.run();

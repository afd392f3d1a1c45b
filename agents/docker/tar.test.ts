import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tarOf } from './tar.ts';

test('the system’s tar reads it: long names, empty files, blocks that are full, any mode', () => {
  const long = `/etc/${'deep/'.repeat(30)}${'ü'.repeat(80)}.conf`;
  const files = { [long]: { content: 'long\n' }, '/empty': { content: '' }, '/block': { content: 'x'.repeat(512), mode: '0755' }, '/text': { content: 'zwölf\n', mode: '0600' } };
  const directory = mkdtempSync(join(tmpdir(), 'tagboat-tar-'));
  try {
    execFileSync('tar', ['-x', '--no-same-owner', '-C', directory], { input: tarOf(files) });
    for (const [path, { content }] of Object.entries(files)) assert.is(readFileSync(join(directory, path), 'utf8'), content, path);
    assert.is(statSync(join(directory, '/block')).mode & 0o777, 0o755);
    assert.is(statSync(join(directory, '/text')).mode & 0o777, 0o600);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test.run();

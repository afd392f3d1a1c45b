import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TestRepository } from '../testing/git-repository.ts';
import { indexPackOff } from './index-pack.ts';

test('packs are indexed side by side; one that is none fails alone; the next still works', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'tagboat-index-'));
  const repository = await TestRepository.create('x', directory);
  try {
    await repository.commit({ a: '1', b: '2' }); // a commit, a tree, two blobs
    const made = await repository.git(['pack-objects', '--all', '-q', path.join(directory, 'p')], '').then((name) => path.join(directory, `p-${name}.pack`));
    await rm(made.replace(/pack$/, 'idx'));
    const broken = path.join(directory, 'broken.pack');
    await writeFile(broken, 'no pack at all');
    const [good, bad, missing] = await Promise.allSettled([indexPackOff(made), indexPackOff(broken), indexPackOff(path.join(directory, 'missing.pack'))]);
    assert.equal(good, { status: 'fulfilled', value: 4 });
    assert.is(bad?.status, 'rejected');
    assert.is(missing?.status, 'rejected');
    assert.ok((await stat(made.replace(/pack$/, 'idx'))).size > 1000);
    assert.is(await indexPackOff(made), 4);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('the thread keeps no process alive', async () => {
  const script = `import { indexPackOff } from ${JSON.stringify(new URL('./index-pack.ts', import.meta.url).href)}; await indexPackOff('/nonexistent/x.pack').catch(() => console.log('refused'));`;
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script], { timeout: 120_000 }, (error, stdout) => (error === null ? resolve(stdout) : reject(error)));
  });
  assert.is(output, 'refused\n');
});

test.run();

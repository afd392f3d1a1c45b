import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contest } from '../../controller/testing/contest.ts';
import { Journal } from './journal.ts';

const test = suite<{ directory: string }>('whose journal it is', { directory: '' });
test.before.each((context) => void (context.directory = mkdtempSync(join(tmpdir(), 'tagboat-journal-'))));
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

/** A lock as the process of that number writes it. */
function heldBy(directory: string, pid: number): void {
  Journal.open(directory).close();
  writeFileSync(join(directory, 'lock'), `${pid} ${readlinkSync('/proc/self/ns/pid')}`);
}

test('of a process that lives: nobody else opens it', async ({ directory }) => {
  const child = spawn('sleep', ['30']);
  heldBy(directory, child.pid!);
  assert.throws(() => Journal.open(directory), new RegExp(`Process ${child.pid} uses this journal`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  Journal.open(directory).close();
});

test('of a process that was killed and is still listed, because nobody has asked how it ended: it is free', async ({ directory }) => {
  // The shell becomes a program that never asks after the child that the shell had.
  const parent = spawn('sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 30']);
  const pid = Number(String((await once(parent.stdout, 'data'))[0]));
  try {
    for (let tries = 0; !/ Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')) && tries < 3_000; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.match(readFileSync(`/proc/${pid}/stat`, 'utf8'), / Z /, 'it is dead and listed');
    heldBy(directory, pid);
    Journal.open(directory).close();
  } finally {
    parent.kill('SIGKILL');
  }
});

test('of several processes that want it at once it is never two', async () => {
  const { had, shared, troubles } = await contest(new URL('./journal.ts', import.meta.url).href, 'Promise.resolve(directory).then(module.Journal.open).then((journal) => () => journal.close())', 'JournalLocked');
  assert.ok(had > 0);
  assert.equal([shared, troubles], [0, []]);
});

test.run();

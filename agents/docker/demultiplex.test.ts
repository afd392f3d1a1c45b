import { test } from 'uvu';
import * as assert from 'uvu/assert';
import fc from 'fast-check';
import { logLines, outputOf } from './demultiplex.ts';

function frame(stream: 1 | 2, text: string | Buffer): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncIterable<Buffer> {
  let at = 0;
  for (let index = 0; at < bytes.length; index++) {
    const size = sizes.length === 0 ? bytes.length : Math.max(1, sizes[index % sizes.length] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function linesOf(chunks: AsyncIterable<Buffer>, tty: boolean): Promise<string[]> {
  const lines: string[] = [];
  for await (const { stream, text } of logLines(chunks, tty)) lines.push(`${stream}: ${text}`);
  return lines;
}

test('wherever the stream is cut, the lines are the same', async () => {
  const line = fc.record({ stream: fc.constantFrom<1 | 2>(1, 2), text: fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, '')) });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 5 }), async (lines, sizes) => {
      const bytes = Buffer.concat(lines.map(({ stream, text }) => frame(stream, `2026-11-24T10:00:00.5Z ${text}\n`)));
      const expected = lines.map(({ stream, text }) => `${stream === 1 ? 'stdout' : 'stderr'}: ${text}`);
      assert.equal(await linesOf(cut(bytes, sizes), false), expected);
    }),
    { numRuns: 100 },
  );
});

test('streams that take turns within a line do not mix', async () => {
  const bytes = Buffer.concat([frame(1, 'out '), frame(2, 'err '), frame(1, 'one\n'), frame(2, 'two')]);
  assert.equal(await linesOf(cut(bytes, []), false), ['stdout: out one', 'stderr: err two']);
});

test('a terminal is plain bytes, with carriage returns', async () => {
  assert.equal(await linesOf(cut(Buffer.from('2026-11-24T10:00:00Z a\r\nb\r\n'), [3]), true), ['stdout: a', 'stdout: b']);
});

test('a line without end stays bounded, and the next one is whole', async () => {
  async function* endless(): AsyncIterable<Buffer> {
    for (let part = 0; part < 200; part++) yield frame(1, 'x'.repeat(10_000));
    yield frame(1, '\nnext\n');
  }
  const lines = await linesOf(endless(), false);
  assert.is(lines.length, 2);
  assert.ok((lines[0]?.length ?? 0) < 9000);
  assert.is(lines[1], 'stdout: next');
});

test('output is bounded', async () => {
  assert.is(await outputOf(cut(frame(2, 'y'.repeat(5000)), [100]), false, 2000).then((text) => text.length), 2000);
});

test.run();

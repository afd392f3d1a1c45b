import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCommit, parseTag } from './objects.ts';

const ID = 'a'.repeat(40);

test('what Git lets anybody write into a commit can be kept: bytes that are no text, NUL, times beyond all calendars', () => {
  const bytes = Buffer.concat([Buffer.from(`tree ${ID}\nauthor A\0da <ada@example.org> 99999999999999999 +0000\ncommitter x\n\nfirst\0`), Buffer.from([0xff, 0xed, 0xa0, 0x80])]);
  const { author, committer, message } = parseCommit(ID, bytes);
  assert.equal(author, { name: 'A\uFFFDda', email: 'ada@example.org', at: new Date(0) });
  assert.is(committer.at.getTime(), 0);
  assert.match(message, /^first\uFFFD+$/);
  assert.is(parseTag(Buffer.from(`object ${ID}\ntype commit\ntag v1\ntagger T <t@example.org> 1\n\nnew\0s\n`)).message, 'new\uFFFDs\n');
});

test.run();

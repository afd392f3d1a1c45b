import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TagboatError } from './errors.ts';
import { createLogger } from './log.ts';

const CANARY = 'c4n4ryVALUE0123456789';

for (const pretty of [false, true]) {
  test(`no secret leaves through any door (${pretty ? 'pretty' : 'JSON'}, R27)`, () => {
    const lines: string[] = [];
    const log = createLogger({ pretty, write: (line) => lines.push(line), secrets: ['known-by-value'] });
    log.info({ url: `https://bob:${CANARY}@git.example/`, token: CANARY, nested: { password: CANARY } }, 'fetching');
    log.error({ err: new TagboatError('RemoteUnreachable', 'no', { cause: new Error(`Authorization: Bearer ${CANARY}`) }) }, `x known-by-value`);
    log.child({ headers: { authorization: CANARY } }).warn('child');
    const text = lines.join('');
    assert.is(lines.length, 3);
    assert.not.match(text, CANARY);
    assert.not.match(text, 'known-by-value');
    assert.match(text, 'fetching');
    assert.match(text, 'git.example');
    if (!pretty) for (const line of lines) JSON.parse(line);
  });
}

test.run();

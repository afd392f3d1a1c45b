import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import { fromLiveState, toLiveState } from './live-state.ts';
import { maskSecrets } from './mask.ts';
import type { Recorded } from './types.ts';

const test = suite('live state');
const secretConfig = { environment: { REGION: 'eu' }, secrets: { PASSWORD: { sealed: { harbor: 'canary-ciphertext' } } }, initContainers: [{ name: 'init', secrets: { KEY: { sealed: { harbor: 'canary-list' } } } }] };
const spec = { team: 'acme', images: [{ name: 'web', image: 'web:1', config: secretConfig }] } as never;
const recorded: Recorded = {
  targets: new Map([['harbor/shop', { node: 'harbor', prefix: 'shop', deployment: 'shop', protected: false, removeVolumes: false, liveRecordId: 2, liveSpec: spec, records: [{ id: 1 }, { id: 2 }] as never, openAttempt: null, restored: true, recentHeals: 0 }]]),
  versions: [{ id: 7, product: 'shop', kind: 'incremental', name: '1.0.0' }, { id: 8, product: 'shop', kind: 'incremental', name: '1.1.0' }],
  parents: new Map([[7, null], [8, 7]]),
  goodSpec: (id) => (id === 1 ? spec : null),
};
const observed = { nodes: new Map([['harbor', { status: 'connected' as const, simulated: true }]]), drift: new Map([['harbor/shop' as const, [{ container: 'shop-web', field: 'image' }]]]) };

test('it survives JSON, and no secret is in it (R27)', () => {
  const text = JSON.stringify(toLiveState(recorded, observed));
  assert.not.match(text, 'canary');
  const back = fromLiveState(JSON.parse(text) as never);
  assert.equal(back.observed, observed);
  assert.equal(back.recorded.parents, recorded.parents);
  assert.is(back.recorded.goodSpec(2), null);
  assert.equal(back.recorded.goodSpec(1), maskSecrets(spec));
  assert.equal(back.recorded.targets.get('harbor/shop'), { ...recorded.targets.get('harbor/shop')!, liveSpec: maskSecrets(spec) });
});

test('masking twice changes nothing, and different secrets stay different', () => {
  assert.equal(maskSecrets(maskSecrets(secretConfig)), maskSecrets(secretConfig));
  assert.is.not(JSON.stringify(maskSecrets({ secrets: 'a' })), JSON.stringify(maskSecrets({ secrets: 'b' })));
  assert.equal(maskSecrets({ environment: { A: 'clear' } }), { environment: { A: 'clear' } });
});

test.run();

import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Manifest } from './manifest.ts';
import { portProblems, type PortClaim, type PortClaimant } from './port-claims.ts';
import { meet } from './port-uses.ts';

const span = fc.record({ from: fc.integer({ min: 1, max: 30 }), more: fc.integer({ min: 0, max: 6 }), protocol: fc.constantFrom('tcp' as const, 'udp' as const), address: fc.constantFrom(undefined, '0.0.0.0', '::', '10.0.0.1', '::1') });
const claimants = fc.array(fc.array(span, { maxLength: 4 }), { maxLength: 8 }).map((all): PortClaimant[] =>
  all.map((spans, index) => ({
    deployment: { kind: 'Deployment', name: `d${index}`, file: `${index}.yaml`, line: 1, spec: { node: `n${index % 2}`, prefix: `d${index}` } } as unknown as Manifest<'Deployment'>,
    ports: spans.map(({ from, more, protocol, address }): PortClaim => ({ from, to: from + more, protocol, address, image: 'web', place: { file: 'a.yaml', line: from, column: 1 } })),
  })),
);

test('a claim is refused exactly if one before it, that was not, has a port of it', () => {
  fc.assert(
    fc.property(claimants, fc.integer({ min: 0, max: 7 }), (all, recorded) => {
      const owner = `d${recorded}`;
      const expected: string[] = [];
      const held: { readonly by: PortClaimant; readonly claim: PortClaim }[] = [];
      for (const by of all.toSorted((a, b) => Number(b.deployment.name === owner) - Number(a.deployment.name === owner))) {
        for (const claim of by.ports) {
          const holders = held.filter((one) => one.by.deployment.spec.node === by.deployment.spec.node && one.claim.protocol === claim.protocol && meet(one.claim.address, claim.address) && one.claim.from <= claim.to && claim.from <= one.claim.to);
          if (holders.length === 0) held.push({ by, claim });
          else if (holders.some((one) => one.by !== by)) expected.push(`${by.deployment.name} ${claim.from}`);
        }
      }
      const said = portProblems(all, new Map([[`n${recorded % 2}/${owner}`, owner]])).map(({ deployment, problem: { line } }) => `${deployment.name} ${line}`);
      assert.equal(said, expected);
    }),
  );
});

test.run();

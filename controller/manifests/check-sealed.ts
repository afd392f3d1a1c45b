/** Sealed blocks of a manifest that are none, whoever uses them, and public keys that are none. */
import type { AnyManifest, Manifest } from '../model/manifest.ts';
import { objectName, pointerStep } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { damagedText, isWholeRecipient, recipientsOf, sealedPlaces } from '../model/sealed.ts';

/** Manifests never change, so each is looked through once. */
const remembered = new WeakMap<AnyManifest, readonly Problem[]>();

export function checkSealed(manifest: AnyManifest): readonly Problem[] {
  const known = remembered.get(manifest) ?? inside(manifest);
  remembered.set(manifest, known);
  return known;
}

/** Public keys of a node that are none: nothing can be sealed to them, which is better known before somebody tries. What is sealed already goes on, so they are warnings. */
export function checkRecipients(node: Manifest<'Node'>): readonly Problem[] {
  return (node.spec.recipients ?? []).flatMap((recipient, index) =>
    isWholeRecipient(recipient) ? [] : [problem('RecipientInvalid', node.position(`/spec/recipients/${index}`), `${recipient} is no public key: its check sum is wrong`, { severity: 'warning', object: objectName(node) })],
  );
}

function inside(manifest: AnyManifest): Problem[] {
  return [...sealedPlaces(manifest.spec, '/spec')].flatMap(({ pointer, block }) =>
    Object.entries(block.sealed)
      .filter(([, ciphertext]) => recipientsOf(ciphertext) === undefined)
      .map(([node]) => problem('SealedInvalid', manifest.position(`${pointer}/sealed${pointerStep(node)}`), damagedText(node), { object: objectName(manifest) })),
  );
}

/** Sealed blocks of a manifest that are none, whoever uses them. */
import type { AnyManifest } from '../model/manifest.ts';
import { objectName, pointerStep } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { damagedText, recipientsOf, sealedPlaces } from '../model/sealed.ts';

/** Manifests never change, so each is looked through once. */
const remembered = new WeakMap<AnyManifest, readonly Problem[]>();

export function checkSealed(manifest: AnyManifest): readonly Problem[] {
  const known = remembered.get(manifest) ?? inside(manifest);
  remembered.set(manifest, known);
  return known;
}

function inside(manifest: AnyManifest): Problem[] {
  return [...sealedPlaces(manifest.spec, '/spec')].flatMap(({ pointer, block }) =>
    Object.entries(block.sealed)
      .filter(([, ciphertext]) => recipientsOf(ciphertext) === undefined)
      .map(([node]) => problem('SealedInvalid', manifest.position(`${pointer}/sealed${pointerStep(node)}`), damagedText(node), { object: objectName(manifest) })),
  );
}

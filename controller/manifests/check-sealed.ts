/** Sealed blocks of a manifest that are none, whoever uses them. */
import type { AnyManifest, ManifestSet } from '../model/manifest.ts';
import { KINDS, objectName, pointerStep } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { damagedText, recipientsOf, sealedPlaces } from '../model/sealed.ts';

/** Manifests never change, so each is looked through once. */
const remembered = new WeakMap<AnyManifest, readonly Problem[]>();

export function checkSealed(set: ManifestSet): Problem[] {
  const problems: Problem[] = [];
  for (const kind of KINDS) {
    for (const manifest of set.byKind[kind].values()) {
      const known = remembered.get(manifest as AnyManifest) ?? inside(manifest as AnyManifest);
      remembered.set(manifest as AnyManifest, known);
      problems.push(...known);
    }
  }
  return problems;
}

function inside(manifest: AnyManifest): Problem[] {
  return [...sealedPlaces(manifest.spec, '/spec')].flatMap(({ pointer, block }) =>
    Object.entries(block.sealed)
      .filter(([, ciphertext]) => recipientsOf(ciphertext) === undefined)
      .map(([node]) => problem('SealedInvalid', manifest.position(`${pointer}/sealed${pointerStep(node)}`), damagedText(node), { object: objectName(manifest) })),
  );
}

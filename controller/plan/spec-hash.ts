/** The identity of a content: what reaches the engine, and nothing that only says how it gets there. */
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { hashOf } from '../model/canonical.ts';

/**
 * Hash of the images and their merged configuration. Left out: digests (a frozen version and the tag it came from are the
 * same content), the strategy and the timeouts (changing them replaces no container), the names of deployment and commit.
 */
export function specHashOf(spec: TargetSpec): string {
  return hashOf(spec.images.map(({ digest: _digest, strategy: _strategy, ...image }) => image));
}

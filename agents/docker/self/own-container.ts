/** The container that this process is in. */
import { readFileSync } from 'node:fs';

/**
 * Undefined outside of a container (or where its engine tells nothing of it). Where they are mounted tells them from those of other containers, which a host may
 * see while they start.
 */
export function ownIdFromMounts(): string | undefined {
  try {
    return /\/containers\/([0-9a-f]{64})\/(?:hostname|hosts|resolv\.conf) \/etc\/(?:hostname|hosts|resolv\.conf) /.exec(readFileSync('/proc/self/mountinfo', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

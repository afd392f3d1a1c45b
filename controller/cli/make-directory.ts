import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { TagboatError } from '../errors.ts';

/**
 * A directory with all above it. One step at a time: asked for all at once where nothing can be made (/proc), Node.js tries for ever.
 * Throws `UsageError` where it cannot be made.
 */
export function makeDirectory(path: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let at = path; !existsSync(at); at = dirname(at)) missing.unshift(at);
  try {
    for (const one of missing) mkdirSync(one, { mode });
  } catch (error) {
    throw new TagboatError('UsageError', `${path} cannot be made (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, { cause: error, hint: 'Choose another directory.' });
  }
}

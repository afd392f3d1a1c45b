import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** A directory with all above it. One step at a time: asked for all at once where nothing can be made (/proc), Node.js tries for ever. */
export function makeDirectory(path: string): void {
  const missing: string[] = [];
  for (let at = path; !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const one of missing) mkdirSync(one);
}

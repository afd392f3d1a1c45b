/** Finds the package's own files (migrations, schemas, examples), both from source and from `dist/`. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Manifest {
  readonly name?: unknown;
  readonly version?: unknown;
}

let found: { readonly root: string; readonly version: string } | undefined;

function locate(): { readonly root: string; readonly version: string } {
  if (found !== undefined) return found;
  let directory = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(directory, 'package.json');
    if (existsSync(file)) {
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
      if (manifest.name === 'tagboat') {
        found = { root: directory, version: typeof manifest.version === 'string' ? manifest.version : '0.0.0' };
        return found;
      }
    }
    const parent = dirname(directory);
    if (parent === directory) throw new Error('The package.json of tagboat was not found above its own code; the installation is incomplete.');
    directory = parent;
  }
}

/** Absolute path of the directory that holds Tagboat's `package.json`. */
export function packageRoot(): string {
  return locate().root;
}

/** Version of this package, e.g. `0.1.0`. */
export function packageVersion(): string {
  return locate().version;
}

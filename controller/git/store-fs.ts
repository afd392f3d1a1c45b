/**
 * The file system as isomorphic-git sees it inside one store: there are only packs, and only those that the store
 * knows. Loose objects are answered with ENOENT at once and the list of packs from memory, which halves the time of a
 * read; a stray or half-written pack does not exist.
 */
import * as fs from 'node:fs/promises';
import path from 'node:path';

/** `packs`: names of the packs without extension, as they are now. */
export function storeFs(gitdir: string, packs: () => readonly string[]): { promises: object } {
  const packDirectory = path.join(gitdir, 'objects', 'pack');
  const loose = new RegExp(`^${escapeRegExp(path.join(gitdir, 'objects'))}/[0-9a-f]{2}/`);
  const gitdirStat = fs.stat(gitdir);
  gitdirStat.catch(() => undefined);
  return {
    promises: {
      ...fs,
      async readFile(file: string, options?: Parameters<typeof fs.readFile>[1]) {
        if (loose.test(file)) throw Object.assign(new Error('no loose objects here'), { code: 'ENOENT' });
        return await fs.readFile(file, options);
      },
      async readdir(directory: string) {
        if (path.normalize(directory) !== packDirectory) return await fs.readdir(directory);
        return packs().flatMap((name) => [`${name}.idx`, `${name}.pack`]);
      },
      async stat(file: string) {
        return file === gitdir ? await gitdirStat : await fs.stat(file);
      },
    },
  };
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

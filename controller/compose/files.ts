/** Which files an import reads: those that were named, or what compose itself would take of a directory. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { TagboatError } from '../errors.ts';

const NAMES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml'];
const OVERRIDES = ['compose.override.yaml', 'compose.override.yml', 'docker-compose.override.yaml', 'docker-compose.override.yml'];

export interface ComposeFiles {
  readonly directory: string;
  /** Relative to the directory, with `/`; the first is the lowest. */
  readonly files: readonly string[];
  /** What stands before them when they are shown: as the person named the first. */
  readonly shownPrefix: string;
  /** An override that compose takes along where no file is named, and that was not named here. */
  readonly besides: string | undefined;
}

/** @param named at least one. @throws {TagboatError} NotFound; UsageError where a further file lies elsewhere. */
export function composeFiles(named: readonly string[]): ComposeFiles {
  for (const path of named) if (!existsSync(path)) throw new TagboatError('NotFound', `There is no file ${path}`);
  const [first = ''] = named;
  if (statSync(first).isDirectory()) return ofDirectory(first, named);
  const directory = dirname(first);
  const root = realpathSync(directory);
  const files = named.map((path, index) => {
    const inside = index === 0 ? basename(path) : relative(root, join(realpathSync(dirname(path)), basename(path))).split(sep).join('/');
    if (inside.startsWith('../')) throw new TagboatError('UsageError', `${path} does not lie in the directory of ${first}`, { hint: 'Move it there: only files in that directory are read.' });
    return inside;
  });
  const override = OVERRIDES.find((name) => NAMES.includes(basename(first)) && existsSync(join(directory, name)));
  return { directory, files, shownPrefix: directory === '.' && !first.startsWith('./') ? '' : `${directory}/`, besides: override === undefined || files.includes(override) ? undefined : override };
}

function ofDirectory(directory: string, named: readonly string[]): ComposeFiles {
  if (named.length > 1) throw new TagboatError('UsageError', 'A directory is named alone', { hint: 'Name the files, or one directory.' });
  const find = (names: readonly string[]): string | undefined => names.find((name) => existsSync(join(directory, name)));
  const lowest = find(NAMES);
  if (lowest === undefined) throw new TagboatError('NotFound', `There is no compose file in ${directory}`, { hint: `It would be called ${NAMES.join(', ')}.` });
  const override = find(OVERRIDES);
  return { directory, files: [lowest, ...(override === undefined ? [] : [override])], shownPrefix: directory === '.' ? '' : `${directory.replace(/\/+$/, '')}/`, besides: undefined };
}

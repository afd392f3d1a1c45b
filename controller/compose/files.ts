/** Which files an import reads: those that were named, or what compose itself would take of a directory. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { TagboatError } from '../errors.ts';
import { parseEnvFile } from './env-file.ts';
import { Jail } from './jail.ts';

const NAMES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml'];
const OVERRIDES = ['compose.override.yaml', 'compose.override.yml', 'docker-compose.override.yaml', 'docker-compose.override.yml'];

export interface ComposeFiles {
  /** The directory that files may be read of. */
  readonly directory: string;
  /** Relative to the directory, with `/`; the first is the lowest. */
  readonly files: readonly string[];
  /** What stands before them when they are shown: as the person named the first. */
  readonly shownPrefix: string;
  /** A file that compose takes along where none is named, and that was not named here. */
  readonly besides: string | undefined;
}

/**
 * @param named at least one.
 * @param within the directory that files may be read of; default: that of the first file.
 * @throws {TagboatError} NotFound; UsageError where a file lies elsewhere.
 */
export function composeFiles(named: readonly string[], within?: string): ComposeFiles {
  for (const path of [...named, ...(within === undefined ? [] : [within])]) if (!existsSync(path)) throw new TagboatError('NotFound', `There is no file ${path}`);
  const [first = ''] = named;
  const ofDirectory = statSync(first).isDirectory();
  if (ofDirectory && named.length > 1) throw new TagboatError('UsageError', 'A directory is named alone', { hint: 'Name the files, or one directory.' });
  const home = ofDirectory ? first : dirname(first);
  const paths = ofDirectory ? filesOf(home).map((name) => join(home, name)) : named;
  const directory = within ?? home;
  const root = realpathSync(directory);
  const files = paths.map((path) => {
    const inside = relative(root, join(realpathSync(dirname(path)), basename(path))).split(sep).join('/');
    if (inside.startsWith('../')) throw new TagboatError('UsageError', `${path} does not lie in ${within ?? `the directory of ${first}`}`, { hint: 'Only files in one directory are read; name it with --within.' });
    return inside;
  });
  const aside = ofDirectory ? undefined : filesOf(home, basename(first)).find((name) => !paths.some((path) => realpathSync(path) === realpathSync(join(home, name))));
  const shownPrefix = directory === '.' && (ofDirectory || !first.startsWith('./')) ? '' : `${directory.replace(/\/+$/, '')}/`;
  return { directory, files, shownPrefix, besides: aside };
}

/**
 * What compose takes of a directory where no file is named: those of `COMPOSE_FILE` in its `.env`, else the usual one and its override.
 *
 * @param lowest where one is named: only what belongs to it counts.
 */
function filesOf(home: string, lowest?: string): readonly string[] {
  const chosen = chosenFiles(home);
  if (chosen !== undefined) {
    const absent = chosen.find((name) => !existsSync(join(home, name)));
    if (lowest !== undefined) return chosen.includes(lowest) && absent === undefined ? chosen : [];
    if (absent !== undefined) throw new TagboatError('NotFound', `There is no file ${absent}, which COMPOSE_FILE names in ${join(home, '.env')}`);
    return chosen;
  }
  const find = (names: readonly string[]): string | undefined => names.find((name) => existsSync(join(home, name)));
  const found = lowest === undefined ? find(NAMES) : NAMES.includes(lowest) ? lowest : undefined;
  if (found === undefined && lowest === undefined) throw new TagboatError('NotFound', `There is no compose file in ${home}`, { hint: `It would be called ${NAMES.join(', ')}.` });
  const override = find(OVERRIDES);
  return found === undefined ? [] : [found, ...(override === undefined ? [] : [override])];
}

function chosenFiles(home: string): readonly string[] | undefined {
  const found = new Jail(home).look('.env');
  const variables = found.kind === 'file' ? parseEnvFile(found.text) : new Map<string, string>();
  const files = (variables.get('COMPOSE_FILE') ?? '').split(variables.get('COMPOSE_PATH_SEPARATOR') || ':').filter((name) => name !== '');
  return files.length === 0 ? undefined : files;
}

/** `tagboat init [DIR]`: a repository to begin with. It validates, and editors know every field of it, also without a network. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { TagboatError } from '../errors.ts';
import { packageRoot } from '../package-root.ts';
import type { CliIo } from './client.ts';
import { formatOf, processIo, runCommand } from './client.ts';
import { initFiles } from './init-files.ts';
import { makeDirectory } from './make-directory.ts';

/** Names that begin with a dot are not read as manifests. */
const SCHEMA_FOLDER = '.schemas';
const SCHEMAS = ['team', 'node', 'registry', 'product', 'version', 'config-bundle', 'deployment', 'notification', 'container-config'];
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

interface Flags {
  readonly team?: string;
  readonly owner?: string;
  readonly node: string;
  readonly nodeType: string;
  readonly format?: string;
}

export function registerInit(program: Command, io: CliIo = processIo): void {
  program
    .command('init')
    .description('make a repository layout that validates, with schemas for the editor')
    .argument('[dir]', 'where; made if it is not there', '.')
    .option('--team <name>', 'the team\'s name; the directory\'s unless told')
    .option('--owner <email>', 'the first member, an owner; the address of `git config user.email` unless told')
    .option('--node <name>', 'the name of the first node', 'harbor')
    .option('--node-type <type>', 'docker or kubernetes', 'docker')
    .option('--format <format>', 'text or json', 'text')
    .addHelpText('after', '\nNothing that is there is overwritten. It needs no controller and no network.')
    .action((dir: string, flags: Flags) => runCommand(io, async () => init(resolve(io.directory, dir), flags, io)));
}

function init(directory: string, flags: Flags, io: CliIo): number {
  const format = formatOf(flags.format);
  const team = flags.team ?? nameOf(directory);
  for (const [flag, name] of [['--team', team], ['--node', flags.node]] as const) {
    if (!LABEL.test(name)) throw new TagboatError('UsageError', `${flag} ${name} is no DNS label`, { hint: 'Use lower-case letters, digits and hyphens, at most 63.' });
  }
  if (flags.nodeType !== 'docker' && flags.nodeType !== 'kubernetes') throw new TagboatError('UsageError', `the node type ${flags.nodeType} is not known`, { hint: 'Use docker or kubernetes.' });
  const owner = flags.owner ?? gitAddress(directory) ?? 'you@example.org';
  if (!/^[^\s@]{1,64}@[^\s@]{1,255}$/.test(owner)) throw new TagboatError('UsageError', `${owner} is no e-mail address`);
  const files = new Map(Object.entries(initFiles({ team, owner, node: flags.node, nodeType: flags.nodeType }, SCHEMA_FOLDER)));
  for (const name of SCHEMAS) files.set(`${SCHEMA_FOLDER}/${name}.schema.json`, offlineSchema(name));

  const taken = [...files.keys()].filter((file) => existsSync(join(directory, file)));
  if (taken.length > 0) throw new TagboatError('UsageError', `nothing was written, because these are there already: ${taken.join(', ')}`, { hint: 'Choose another directory, or move them away.' });
  try {
    for (const [file, text] of files) {
      makeDirectory(dirname(join(directory, file)));
      writeFileSync(join(directory, file), text, { flag: 'wx' });
    }
  } catch (error) {
    if (error instanceof TagboatError) throw error;
    throw new TagboatError('UsageError', `${directory} cannot be written to (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, { cause: error });
  }
  const written = [...files.keys()];
  if (format === 'json') io.out(`${JSON.stringify({ directory, team, files: written }, null, 2)}\n`);
  else io.out(farewell(shortest(io.directory, directory), team, flags.node, written.filter((file) => !file.startsWith('.'))));
  return 0;
}

function farewell(shown: string, team: string, node: string, files: readonly string[]): string {
  return `Made a repository for team ${team} in ${shown}:
${files.map((file) => `  ${file}\n`).join('')}  ${SCHEMA_FOLDER}/ (for the editor)

Next:
  tagboat validate ${shown}
  git -C ${shown} init && git -C ${shown} add --all && git -C ${shown} commit -m "Begin"
  name the repository under \`teams\` of the controller's tagboat.yaml, then
  tagboat node enroll ${node} --team ${team}
`;
}

/** As it is published, without its own address: editors then look for what it refers to beside it, and not on the network. */
function offlineSchema(name: string): string {
  const { $id: _, ...schema } = JSON.parse(readFileSync(join(packageRoot(), 'schemas', `${name}.schema.json`), 'utf8')) as Record<string, unknown>;
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** A DNS label out of the directory's name. */
function nameOf(directory: string): string {
  return basename(directory).toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replace(/^-+/, '').slice(0, 63).replace(/-+$/, '') || 'team';
}

function gitAddress(directory: string): string | undefined {
  try {
    const from = existsSync(directory) ? directory : '.';
    return execFileSync('git', ['-C', from, 'config', 'user.email'], { encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'pipe', 'ignore'] }).trim() || undefined;
  } catch {
    return undefined;
  }
}

function shortest(from: string, directory: string): string {
  const path = relative(from, directory) || '.';
  return path.startsWith('..') ? directory : path;
}

/** `tagboat import compose FILE`: manifests from a compose file, and a list of what they cannot say. Works alone. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { composeFiles } from '../compose/files.ts';
import type { Finding } from '../compose/findings.ts';
import { importCompose } from '../compose/import.ts';
import { Jail } from '../compose/jail.ts';
import { checkWritten, manifestFiles } from '../compose/write.ts';
import type { Written } from '../compose/write.ts';
import { TagboatError } from '../errors.ts';
import type { ManifestSet } from '../model/manifest.ts';
import { makeDirectory } from './make-directory.ts';
import { printable } from './table.ts';
import { loadManifests, runCommand } from './load-manifests.ts';

interface ImportOptions {
  readonly product?: string;
  readonly node?: string;
  readonly prefix?: string;
  readonly output: string;
  readonly profile: readonly string[];
  readonly envFile: readonly string[];
  readonly within?: string;
  readonly force?: boolean;
  readonly format: 'text' | 'json';
}

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const collect = (value: string, before: readonly string[]): string[] => [...before, value];

export function registerImport(program: Command): void {
  const command = program.command('import').description('make manifests of files of other tools');
  command
    .command('compose', { isDefault: true })
    .description('make product, version and deployment manifests of a compose file')
    .argument('<file...>', 'the compose file, further ones that are laid over it, or a directory with one')
    .option('--product <name>', 'the product (default: the name in the file, else of its directory)')
    .option('--node <name>', 'the node to deploy to (default: the only Docker node among the manifests, else docker-host)')
    .option('--prefix <prefix>', 'the prefix of the deployment (default: the product)')
    .option('--output <dir>', 'where the manifests are', '.')
    .option('--profile <name>', 'take along the services of a profile; repeatable, * is all', collect, [])
    .option('--env-file <file>', 'variables; repeatable (default: .env beside the compose file)', collect, [])
    .option('--within <dir>', 'files may be read of this directory, too, which holds the compose file (default: only of the directory of the compose file)')
    .option('--force', 'write over manifests that are there')
    .addOption(new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', '\nExit codes: 0 carried over wholly, 1 something was not (the rest is written), 2 wrong use, 3 could not read or write something.')
    .action((files: string[], options: ImportOptions) => runCommand(() => run(files, options)));
}

async function run(named: readonly string[], options: ImportOptions): Promise<void> {
  for (const key of ['product', 'node', 'prefix'] as const) {
    const value = options[key];
    if (value !== undefined && !NAME.test(value)) throw new TagboatError('UsageError', `--${key} ${value} is no DNS label`, { hint: 'Lower-case letters, digits and hyphens.' });
  }
  const { directory, files: inside, shownPrefix, besides } = composeFiles(named, options.within);
  const { product, images, findings } = importCompose({
    jail: new Jail(directory),
    files: inside,
    shownPrefix,
    besides,
    profiles: options.profile,
    envTexts: options.envFile.length === 0 ? undefined : options.envFile.map(readEnvFile),
    product: options.product,
  });
  const known = existsSync(options.output) ? (await loadManifests(options.output, undefined)).set : undefined;
  const node = options.node ?? onlyDockerNode(known) ?? 'docker-host';
  const newNode = known?.byKind.Node.has(node) !== true;
  const files = images.length === 0 ? [] : manifestFiles({ product, images, node, newNode, prefix: options.prefix ?? product });
  const all = [...findings, ...(files.length === 0 ? [] : checkWritten(files, node, newNode).map(asFinding))];
  write(files, options);
  print(product, images.length, files, all, options);
  if (files.length === 0 || all.some(({ severity }) => severity !== 'note')) process.exitCode = 1;
}

function readEnvFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new TagboatError('NotFound', `The file of variables ${path} cannot be read`, { cause: error });
  }
}

function onlyDockerNode(set: ManifestSet | undefined): string | undefined {
  const nodes = [...(set?.byKind.Node.values() ?? [])].filter(({ spec }) => spec.type === 'docker');
  return nodes.length === 1 ? nodes[0]?.name : undefined;
}

function asFinding({ file, line, column, message, hint }: { readonly file: string; readonly line: number; readonly column: number; readonly message: string; readonly hint: string }): Finding {
  return { code: 'GeneratedInvalid', severity: 'error', file, line, column, message, hint };
}

function write(files: readonly Written[], { output, force }: ImportOptions): void {
  const there = files.filter(({ path }) => existsSync(join(output, path)));
  if (there.length > 0 && force !== true) {
    throw new TagboatError('UsageError', `${there.map(({ path }) => join(output, path)).join(', ')} would be written over`, { hint: 'Choose another --product or --output, or say --force.' });
  }
  for (const { path, text } of files) {
    makeDirectory(dirname(join(output, path)));
    writeFileSync(join(output, path), text);
  }
}

function print(product: string, images: number, files: readonly Written[], findings: readonly Finding[], { format, output }: ImportOptions): void {
  const written = files.map(({ path }) => join(output, path));
  if (format === 'json') {
    process.stdout.write(`${JSON.stringify({ product, images, written, findings }, null, 2)}\n`);
    return;
  }
  for (const { file, line, column, code, severity, message, hint } of findings) {
    const place = line === 0 ? file : `${file}:${line}:${column}`;
    process.stdout.write(`${printable(place)}  ${code}${severity === 'error' ? '' : ` (${severity})`}  ${printable(message)}\n    ${printable(hint)}\n`);
  }
  const count = (wanted: Finding['severity']): number => findings.filter(({ severity }) => severity === wanted).length;
  const result = files.length === 0 ? 'nothing was written' : `${images} image${images === 1 ? '' : 's'} of ${product} written to ${written.join(', ')}`;
  process.stdout.write(`${result}; ${count('error')} lost, ${count('warning')} different, ${count('note')} to note\n`);
}

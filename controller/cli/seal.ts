/**
 * `tagboat seal`: a value, never from the command line, becomes the `sealed:` block that only the agents of the named nodes can
 * open. Works alone where the Node manifests publish recipients; what they lack is asked of the controller.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { LARGEST_SECRET_BYTES, seal } from '../../proto/sealed.ts';
import { TagboatError } from '../errors.ts';
import { ParseCache } from '../manifests/parse-cache.ts';
import { readManifests } from '../manifests/read-set.ts';
import { directorySource } from '../manifests/source-directory.ts';
import type { ManifestSet } from '../model/manifest.ts';
import type { CliIo } from './client.ts';
import { chooseTeam, ControllerClient, processIo, runCommand, withClientFlags } from './client.ts';
import type { SecretInput } from './read-secret.ts';
import { readSecret } from './read-secret.ts';

interface Flags {
  readonly node?: readonly string[];
  readonly allNodes?: boolean;
  readonly team?: string;
  readonly name?: string;
  readonly file?: string;
  readonly format: 'yaml' | 'json';
  readonly url?: string;
  readonly token?: string;
}

/** As the schema has the keys of `secrets`. */
const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,253}$/;
/** So many columns of ciphertext a line. */
const WIDTH = 96;
const nodesShape = z.array(z.object({ name: z.string(), recipients: z.array(z.string()).default([]) }).passthrough());

export function registerSeal(program: Command, io: CliIo = processIo, input: SecretInput = process.stdin): void {
  withClientFlags(program.command('seal'))
    .description('encrypt a secret to nodes; reads the value from standard input and prints the block to paste')
    .argument('[dir]', 'where the manifests are', '.')
    .option('--node <name...>', 'the nodes that may open it')
    .option('--all-nodes', 'every node of the team')
    .option('--team <name>', 'the team; else that of the Team manifest, else the only one of the controller')
    .option('--name <key>', 'print the block under this key')
    .option('--file <path>', 'take the value from a file, byte by byte')
    .addOption(new Option('--format <format>', 'how to print').choices(['yaml', 'json']).default('yaml'))
    .addHelpText('after', '\nOne line break at the end of standard input is not part of the value. Recipients come from the Node manifests (spec.recipients)\nand, for nodes without any, from the controller (TAGBOAT_URL).')
    .action((directory: string, flags: Flags) => runCommand(io, () => run(resolve(io.directory, directory), flags, io, input)));
}

async function run(directory: string, flags: Flags, io: CliIo, input: SecretInput): Promise<number> {
  if ((flags.node === undefined) === (flags.allNodes !== true)) throw new TagboatError('UsageError', 'name the nodes: either --node NAME… or --all-nodes');
  if (flags.name !== undefined && !SECRET_NAME.test(flags.name)) throw new TagboatError('UsageError', `${JSON.stringify(flags.name)} can be no name of a secret`, { hint: 'Take letters, digits and _, . or -, beginning with a letter or _; it names the variable.' });
  if (!existsSync(directory)) throw new TagboatError('UsageError', `there is no directory ${directory}`, { hint: 'Name the one that the manifests are in, or none for the present one.' });
  const set = await readManifests(await directorySource(directory), new ParseCache()).catch(() => undefined);
  const { team, recipients } = await findRecipients(set, flags, io);
  const value = flags.file === undefined ? await readSecret(input, io) : await readFile(resolve(io.directory, flags.file)).catch((cause: unknown) => {
    throw new TagboatError('UsageError', `the file ${flags.file} cannot be read`, { cause });
  });
  if (value.length === 0) throw new TagboatError('UsageError', 'the value is empty', { hint: 'Pipe it in: tagboat seal --node NAME < file' });
  if (value.length > LARGEST_SECRET_BYTES) throw new TagboatError('UsageError', `the value has ${value.length} bytes; a secret has at most ${LARGEST_SECRET_BYTES}`);
  const sealed: Record<string, string> = {};
  for (const [node, keys] of recipients) {
    sealed[node] = await seal(value, { team, node }, keys).catch((error: unknown) => {
      throw error instanceof RangeError ? new TagboatError('UsageError', `node ${node}: ${error.message}`) : error;
    });
  }
  io.out(flags.format === 'json' ? `${JSON.stringify(flags.name === undefined ? { sealed } : { [flags.name]: { sealed } }, null, 2)}\n` : asYaml(sealed, flags.name));
  io.err(`sealed for ${[...recipients.keys()].join(', ')} of team ${team}\n`);
  return 0;
}

/** Manifests first, so that no network is needed; the controller for what they do not say. */
async function findRecipients(set: ManifestSet | undefined, flags: Flags, io: CliIo): Promise<{ team: string; recipients: Map<string, readonly string[]> }> {
  const declared = set?.byKind.Node ?? new Map<string, never>();
  const teams = [...(set?.byKind.Team.keys() ?? [])];
  let team = flags.team ?? (teams.length === 1 ? teams[0] : undefined);
  const names = flags.node ?? (declared.size > 0 ? [...declared.keys()] : undefined);
  const published = new Map((names ?? []).map((name) => [name, declared.get(name)?.spec.recipients ?? []] as const));
  if (team !== undefined && names !== undefined && [...published.values()].every((keys) => keys.length > 0)) return { team, recipients: published };

  const client = await ControllerClient.find(flags, io);
  const nodes = await askController(client, team).catch((error: unknown) => {
    const lacking = [...published].filter(([, keys]) => keys.length === 0).map(([name]) => name);
    if (!(error instanceof TagboatError) || error.code !== 'ControllerUnreachable' || lacking.length === 0) throw error;
    throw new TagboatError('ControllerUnreachable', `${error.message}, and the manifests hold no recipients of ${lacking.join(', ')}`, { cause: error, hint: 'Set TAGBOAT_URL, or copy the key from the page of the node into `recipients` of its manifest.' });
  });
  team = nodes.team;
  const recipients = new Map((names ?? [...nodes.keys.keys()]).map((name): [string, readonly string[]] => {
    const own = published.get(name) ?? [];
    const current = nodes.keys.get(name);
    if (own.length === 0 && current === undefined) throw new TagboatError('NodeUnknown', `team ${nodes.team} has no node ${name}`, { hint: `Nodes: ${[...nodes.keys.keys()].join(', ') || 'none'}.` });
    if (own.length === 0 && current?.length === 0) throw new TagboatError('UsageError', `node ${name} has told no public key yet`, { hint: 'Enrol it (its agent makes the key), or update its agent.' });
    return [name, own.length > 0 ? own : (current ?? [])];
  }));
  if (recipients.size === 0) throw new TagboatError('UsageError', `team ${nodes.team} has no nodes`);
  return { team, recipients };
}

/** The current key alone: an older one of the same node may be the reason for a rotation. */
async function askController(client: ControllerClient, named: string | undefined): Promise<{ team: string; keys: Map<string, readonly string[]> }> {
  const team = await chooseTeam(client, named);
  const nodes = await client.get(`/teams/${encodeURIComponent(team)}/nodes`, nodesShape);
  return { team, keys: new Map(nodes.map(({ name, recipients }) => [name, recipients.slice(0, 1)])) };
}

function asYaml(sealed: Readonly<Record<string, string>>, name: string | undefined): string {
  const lines = ['sealed:'];
  for (const [node, ciphertext] of Object.entries(sealed)) lines.push(`  ${node}: >-`, ...(ciphertext.match(new RegExp(`.{1,${WIDTH}}`, 'g')) ?? []).map((line) => `    ${line}`));
  const head = name === undefined ? [] : [`${name}:`];
  return `${[...head, ...lines.map((line) => (name === undefined ? line : `  ${line}`))].join('\n')}\n`;
}

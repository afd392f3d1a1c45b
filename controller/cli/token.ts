/** `tagboat token create|list|revoke`: access tokens for people and programs (R2). */
import type { Command } from 'commander';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import { chooseTeam, ControllerClient, formatOf, processIo, runCommand, withClientFlags } from './client.ts';
import type { CliIo } from './client.ts';
import { columns, printable } from './table.ts';

const tokenShape = z.object({
  id: z.string(), profile: z.string(), team: z.string().nullable(), role: z.string(), label: z.string(), createdBy: z.string(), createdAt: z.string(), expiresAt: z.string(),
  lastUsedAt: z.string().nullable(), state: z.string(),
}).passthrough();
const newTokenShape = tokenShape.extend({ token: z.string() });

interface Flags {
  readonly url?: string;
  readonly token?: string;
  readonly team?: string;
  readonly allTeams?: boolean;
  readonly profile?: string;
  readonly role: string;
  readonly label: string;
  readonly expires: string;
  readonly format?: string;
}

export function registerToken(program: Command, io: CliIo = processIo): void {
  const token = program.command('token').description('make, list and revoke access tokens');

  withClientFlags(token.command('create'))
    .description('make an access token; it is shown once')
    .option('--team <name>', 'the team that it is good for; needed where there are several')
    .option('--all-teams', 'good for every team of the profile; the operator alone makes these')
    .option('--profile <email>', 'whose it is, a member of the team; yourself unless told')
    .option('--role <role>', 'what it may do at most: user reads, admin also lets nodes in and makes tokens, owner', 'user')
    .option('--label <text>', 'what it is for', '')
    .option('--expires <duration>', 'how long it is good: 12h, 90d, at most 366d', '90d')
    .option('--format <format>', 'text or json', 'text')
    .addHelpText('after', '\nThe token is the only thing on standard output, so that it can go straight into a file or a secret store.')
    .action((flags: Flags) => runCommand(io, () => create(flags, io)));

  withClientFlags(token.command('list'))
    .description('list access tokens, without what is secret of them')
    .option('--team <name>', 'those of a team, for its admins; your own otherwise (the operator\'s own are all)')
    .option('--format <format>', 'text or json', 'text')
    .action((flags: Flags) => runCommand(io, () => list(flags, io)));

  withClientFlags(token.command('revoke'))
    .description('end an access token, and the browser sessions from it, at once')
    .argument('<id>', 'as `tagboat token list` shows it')
    .option('--team <name>', 'its team, for an admin who ends a token of somebody else')
    .option('--format <format>', 'text or json', 'text')
    .action((id: string, flags: Flags) => runCommand(io, () => revoke(id, flags, io)));
}

async function create(flags: Flags, io: CliIo): Promise<number> {
  const format = formatOf(flags.format);
  if (flags.allTeams === true && flags.team !== undefined) throw new TagboatError('UsageError', '--team and --all-teams exclude each other');
  const client = await ControllerClient.find(flags, io);
  const at = flags.allTeams === true ? '' : `/teams/${encodeURIComponent(await chooseTeam(client, flags.team))}`;
  const { profile, role, label, expires } = flags;
  const made = await client.post(`${at}/tokens`, newTokenShape, { ...(profile !== undefined && { profile }), role, label, expiresIn: expires });
  if (format === 'json') {
    io.out(`${JSON.stringify(made, null, 2)}\n`);
    return 0;
  }
  io.err(printable(`Token ${made.id} of ${made.profile}, role ${made.role}, for ${made.team === null ? 'all of the profile\'s teams' : `team ${made.team}`}, until ${made.expiresAt}. It is not shown again.`) + '\n');
  io.out(`${printable(made.token)}\n`);
  return 0;
}

async function list(flags: Flags, io: CliIo): Promise<number> {
  const format = formatOf(flags.format);
  const client = await ControllerClient.find(flags, io);
  const tokens = await client.get(flags.team === undefined ? '/tokens' : `/teams/${encodeURIComponent(flags.team)}/tokens`, z.array(tokenShape));
  if (format === 'json') io.out(`${JSON.stringify(tokens, null, 2)}\n`);
  else if (tokens.length === 0) io.out('No tokens.\n');
  else io.out(columns([['ID', 'PROFILE', 'TEAM', 'ROLE', 'STATE', 'EXPIRES', 'LAST USED', 'LABEL'], ...tokens.map((one) => [one.id, one.profile, one.team ?? '(all)', one.role, one.state, one.expiresAt.slice(0, 10), one.lastUsedAt?.slice(0, 13).replace('T', ' ').concat('h') ?? 'never', one.label])]));
  return 0;
}

async function revoke(id: string, flags: Flags, io: CliIo): Promise<number> {
  const format = formatOf(flags.format);
  const client = await ControllerClient.find(flags, io);
  await client.post(`${flags.team === undefined ? '' : `/teams/${encodeURIComponent(flags.team)}`}/tokens/${encodeURIComponent(id)}/revocation`, z.undefined());
  io.out(format === 'json' ? `${JSON.stringify({ id, revoked: true })}\n` : `Token ${printable(id)} is revoked.\n`);
  return 0;
}

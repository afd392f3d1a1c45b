/** `tagboat node enroll` and `tagboat node revoke` (R4). */
import type { Command } from 'commander';
import { z } from 'zod';
import { chooseTeam, ControllerClient, formatOf, processIo, runCommand, withClientFlags } from './client.ts';
import type { CliIo } from './client.ts';
import { printable } from './table.ts';

const enrolmentShape = z.object({ token: z.string(), expiresAt: z.string(), join: z.string(), command: z.string(), agentCommand: z.string().optional(), manifest: z.string().nullish() });
const nodesShape = z.array(z.object({ name: z.string(), type: z.string(), status: z.string() }).passthrough());

interface Flags {
  readonly url?: string;
  readonly token?: string;
  readonly team?: string;
  readonly format?: string;
}

export function registerNode(program: Command, io: CliIo = processIo): void {
  const node = program.command('node').description('let nodes in and shut them out');

  withClientFlags(node.command('enroll'))
    .description('print the one line (for a cluster: the one manifest) that connects a node to the controller')
    .argument('<name>', 'the name in its Node manifest')
    .option('--team <name>', 'the team; needed where there are several')
    .option('--format <format>', 'text or json', 'text')
    .action((name: string, flags: Flags) => runCommand(io, () => enroll(name, flags, io)));

  withClientFlags(node.command('revoke'))
    .description('cut the connection of a node and refuse its certificates')
    .argument('<name>', 'the name in its Node manifest')
    .option('--team <name>', 'the team; needed where there are several')
    .option('--format <format>', 'text or json', 'text')
    .action((name: string, flags: Flags) => runCommand(io, () => revoke(name, flags, io)));
}

async function enroll(name: string, flags: Flags, io: CliIo): Promise<number> {
  const format = formatOf(flags.format);
  const client = await ControllerClient.find(flags, io);
  const team = await chooseTeam(client, flags.team);
  const at = `/teams/${encodeURIComponent(team)}/nodes`;
  const enrolment = await client.post(`${at}/${encodeURIComponent(name)}/enrolments`, enrolmentShape);
  if (format === 'json') {
    io.out(`${JSON.stringify(enrolment, null, 2)}\n`);
    return 0;
  }
  const node = (await client.get(at, nodesShape)).find((one) => one.name === name);
  const manifest = enrolment.manifest ?? null;
  const use = manifest === null ? 'Paste this line in a root shell on the Docker host.' : `Pipe this to \`kubectl apply -f -\`.`;
  io.err(`${use} It works once, until ${enrolment.expiresAt}; it holds a secret.\n\n`);
  io.out(manifest ?? `${printable(enrolment.command)}\n`);
  io.err(`\n\`tagboat status\` shows when ${name} is connected.${node?.status === 'connected' ? ` It is connected now; a new agent takes its place.` : ''}\n`);
  return 0;
}

async function revoke(name: string, flags: Flags, io: CliIo): Promise<number> {
  const format = formatOf(flags.format);
  const client = await ControllerClient.find(flags, io);
  const team = await chooseTeam(client, flags.team);
  await client.post(`/teams/${encodeURIComponent(team)}/nodes/${encodeURIComponent(name)}/revocation`, z.undefined());
  io.out(format === 'json' ? `${JSON.stringify({ team, node: name, revoked: true })}\n` : `Node ${name} of team ${team} is revoked: its connection is cut and its certificates are refused.\nWhat runs on it goes on running. \`tagboat node enroll ${name} --team ${team}\` lets it in again.\n`);
  return 0;
}

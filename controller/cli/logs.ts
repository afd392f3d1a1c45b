/** `tagboat logs NAME`: what the containers of a deployment write, read on their node as it is asked for. */
import type { Command } from 'commander';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import { chooseTeam, ControllerClient, formatOf, processIo, runCommand, withClientFlags } from './client.ts';
import type { CliIo } from './client.ts';
import { printableLog } from './table.ts';
import { untilSignal } from './until-signal.ts';

const lineShape = z.union([z.object({ at: z.string(), stream: z.enum(['stdout', 'stderr']), text: z.string() }), z.object({ reason: z.string() })]);

interface Flags {
  readonly url?: string;
  readonly token?: string;
  readonly team?: string;
  readonly container?: string;
  readonly tail: string;
  readonly follow?: boolean;
  readonly timestamps?: boolean;
  readonly format?: string;
}

export function registerLogs(program: Command, io: CliIo = processIo, signal: () => AbortSignal = untilSignal): void {
  withClientFlags(program.command('logs'))
    .description('show the log of a deployment\'s container')
    .argument('<deployment>', 'the name of the Deployment manifest')
    .option('--team <name>', 'the team; needed where there are several')
    .option('--container <name>', 'the container or its image\'s name; needed where there are several')
    .option('--tail <lines>', 'how many of the last lines to begin with, 1 to 10000', '100')
    .option('-f, --follow', 'go on until interrupted')
    .option('-t, --timestamps', 'each line with its time')
    .option('--format <format>', 'text, or json: one object a line', 'text')
    .addHelpText('after', '\nWhat the container wrote to its standard error goes to standard error, in the format text.')
    .action((name: string, flags: Flags) => runCommand(io, () => logs(name, flags, io, signal)));
}

async function logs(name: string, flags: Flags, io: CliIo, signal: () => AbortSignal): Promise<number> {
  const format = formatOf(flags.format);
  if (!/^[1-9]\d{0,4}$/.test(flags.tail) || Number(flags.tail) > 10_000) throw new TagboatError('UsageError', '--tail must be a whole number from 1 to 10000');
  const client = await ControllerClient.find(flags, io);
  const team = await chooseTeam(client, flags.team);
  const query = new URLSearchParams({ tail: flags.tail, follow: String(flags.follow ?? false), ...(flags.container !== undefined && { container: flags.container }) });
  for await (const line of client.lines(`/teams/${encodeURIComponent(team)}/deployments/${encodeURIComponent(name)}/logs?${query.toString()}`, lineShape, signal())) {
    if ('reason' in line) throw new TagboatError('AgentUnreachable', line.reason);
    if (format === 'json') io.out(`${JSON.stringify(line)}\n`);
    else {
      const text = `${flags.timestamps === true ? `${line.at} ` : ''}${io.terminal === undefined ? line.text : printableLog(line.text)}\n`;
      if (line.stream === 'stderr') io.err(text);
      else io.out(text);
    }
  }
  return 0;
}

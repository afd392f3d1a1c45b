/** `tagboat status`: what is deployed, and what is not fine. */
import type { Command } from 'commander';
import { z } from 'zod';
import { chooseTeams, ControllerClient, formatOf, processIo, runCommand, withClientFlags } from './client.ts';
import type { CliIo } from './client.ts';
import { fittedColumns, painter, printable, wrap } from './table.ts';

const deploymentShape = z.object({
  name: z.string(), version: z.string().nullable(), node: z.string().nullable(), prefix: z.string().nullable(), status: z.string(), sync: z.string(), health: z.string(), drifted: z.boolean(), reason: z.string(),
}).passthrough();
const problemShape = z.object({ code: z.string(), severity: z.string(), file: z.string(), line: z.number(), column: z.number(), message: z.string(), hint: z.string() }).passthrough();
const teamShape = z.object({ name: z.string(), commit: z.string().nullable(), polledAt: z.string().nullable(), problems: z.array(problemShape) }).passthrough();

interface TeamStatus {
  readonly team: z.infer<typeof teamShape>;
  readonly deployments: readonly z.infer<typeof deploymentShape>[];
}

interface Flags {
  readonly url?: string;
  readonly token?: string;
  readonly team?: string;
  readonly format?: string;
}

export function registerStatus(program: Command, io: CliIo = processIo): void {
  withClientFlags(program.command('status'))
    .description('show deployments with sync and health')
    .option('--team <name>', 'one team; all that you may see otherwise')
    .option('--format <format>', 'text or json', 'text')
    .addHelpText('after', '\nExit code 1: the repository has a problem of severity error, or a deployment has failed, is blocked, degraded or missing.\nWhat is merely under way, drifted or on a node that is away does not count.')
    .action((flags: Flags) =>
      runCommand(io, async () => {
        const format = formatOf(flags.format);
        const client = await ControllerClient.find(flags, io);
        const teams: TeamStatus[] = [];
        for (const name of await chooseTeams(client, flags.team)) {
          const path = `/teams/${encodeURIComponent(name)}`;
          const [team, deployments] = await Promise.all([client.get(path, teamShape), client.get(`${path}/deployments`, z.array(deploymentShape))]);
          teams.push({ team, deployments });
        }
        if (format === 'json') io.out(`${JSON.stringify(teams.map(({ team, deployments }) => ({ ...team, deployments })), null, 2)}\n`);
        else io.out(teams.length === 0 ? 'No teams.\n' : teams.map((team) => asText(team, io)).join('\n'));
        return teams.some(isBad) ? 1 : 0;
      }),
    );
}

function isBad({ team, deployments }: TeamStatus): boolean {
  return (
    team.problems.some((problem) => problem.severity === 'error') ||
    deployments.some((deployment) => deployment.status === 'failed' || deployment.sync === 'blocked' || deployment.health === 'degraded' || deployment.health === 'missing')
  );
}

function asText({ team, deployments }: TeamStatus, io: CliIo): string {
  const width = io.terminal?.columns ?? Number.POSITIVE_INFINITY;
  const paint = painter(io.terminal?.colours ?? false);
  const head = `${printable(team.name)}  at ${team.commit?.slice(0, 12) ?? 'no commit yet'}, polled ${team.polledAt ?? 'never'}`;
  const table =
    deployments.length === 0
      ? 'No deployments.\n'
      : fittedColumns(
          [
            ['DEPLOYMENT', 'VERSION', 'TARGET', 'STATUS', 'SYNC', 'HEALTH', 'REASON'],
            ...deployments.map((one) => [one.name, one.version ?? '-', `${one.node ?? '?'}/${one.prefix ?? '?'}`, one.status, one.sync, `${one.health}${one.drifted ? ' (drifted)' : ''}`, one.reason]),
          ],
          width,
          paint,
        );
  const problems = team.problems.map((problem) => {
    const place = problem.file === '' ? '' : `${problem.file}${problem.line > 0 ? `:${String(problem.line)}:${String(problem.column)}` : ''}  `;
    const line = printable(`${place}${problem.severity} ${problem.code}: ${problem.message}`);
    const hint = printable(problem.hint);
    return width === Number.POSITIVE_INFINITY ? `${line}\n    ${hint}\n` : `${wrap(line, width, '')}${wrap(hint, width, '    ')}`;
  });
  return `${width === Number.POSITIVE_INFINITY ? `${head}\n` : wrap(head, width, '')}${table}${problems.join('')}`;
}

/** `tagboat audit`: who did what; `tagboat audit verify`: the proof that nothing was changed or removed (R26). */
import type { Command } from 'commander';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import { chooseTeam, chooseTeams, columns, ControllerClient, formatOf, printable, processIo, runCommand, withClientFlags } from './client.ts';
import type { CliIo } from './client.ts';

const pageShape = z.object({
  rows: z.array(z.object({ id: z.number(), at: z.string(), actor: z.string(), action: z.string(), object: z.string(), commit: z.string().nullable(), result: z.string(), hash: z.string() }).passthrough()),
  next: z.number().nullable(),
});
const breakShape = z.object({ team: z.string(), id: z.number(), reason: z.string() });
const headShape = z.object({ team: z.string(), id: z.number(), hash: z.string() });
const verdictShape = z.object({ checked: z.number(), ok: z.boolean(), firstBroken: breakShape.nullable(), head: headShape.nullable() });

interface Flags {
  readonly url?: string;
  readonly token?: string;
  readonly team?: string;
  readonly limit?: string;
  readonly format?: string;
}

export function registerAudit(program: Command, io: CliIo = processIo): void {
  const audit = withClientFlags(program.command('audit'))
    .description('show the audit log, newest first')
    .option('--team <name>', 'the team; needed where there are several')
    .option('--limit <rows>', 'how many rows, 1 to 1000 (default 50)')
    .option('--format <format>', 'text (default) or json')
    .action((flags: Flags) => runCommand(io, () => list(flags, io)));

  withClientFlags(audit.command('verify'))
    .description('prove that no audit row was changed or removed')
    .option('--team <name>', 'one team; all otherwise')
    .option('--database-url <url>', 'read PostgreSQL directly, without asking the controller; $TAGBOAT_DATABASE_URL keeps the password out of the process list')
    .option('--format <format>', 'text (default) or json')
    .addHelpText('after', '\nNote the head (number and hash) elsewhere: a chain that was rewritten as a whole is found only by comparing heads.\nExit code 1: the chain is broken.')
    // Options that both commands know are taken by the outer one; this sees either.
    .action((_flags: unknown, command: Command) => runCommand(io, () => verify(command.optsWithGlobals(), io)));
}

async function list(flags: Flags, io: CliIo): Promise<number> {
  const format = formatOf(flags.format);
  const limit = flags.limit ?? '50';
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > 1_000) throw new TagboatError('UsageError', '--limit must be a whole number from 1 to 1000');
  const client = await ControllerClient.find(flags, io);
  const team = await chooseTeam(client, flags.team);
  const page = await client.get(`/teams/${encodeURIComponent(team)}/audit?limit=${limit}`, pageShape);
  if (format === 'json') io.out(`${JSON.stringify(page, null, 2)}\n`);
  else if (page.rows.length === 0) io.out('Nothing happened yet.\n');
  else io.out(columns([['#', 'AT', 'ACTOR', 'ACTION', 'OBJECT', 'COMMIT', 'RESULT'], ...page.rows.map((row) => [String(row.id), row.at.slice(0, 19) + 'Z', row.actor, row.action, row.object, row.commit?.slice(0, 12) ?? '-', row.result])]));
  return 0;
}

type Verdict = z.infer<typeof verdictShape>;

async function verify(flags: Flags & { readonly databaseUrl?: string }, io: CliIo): Promise<number> {
  const format = formatOf(flags.format);
  // Only the flag or its own variable decides; a controller's configuration file is not looked at.
  const url = flags.databaseUrl ?? (io.env['TAGBOAT_DATABASE_URL'] || undefined);
  const verdicts = url === undefined ? await askController(flags, io) : await readDatabase(url, flags.team);
  if (format === 'json') io.out(`${JSON.stringify(verdicts, null, 2)}\n`);
  else for (const [team, verdict] of Object.entries(verdicts)) io.out(sentence(team, verdict));
  return Object.values(verdicts).every(({ ok }) => ok) ? 0 : 1;
}

async function askController(flags: Flags, io: CliIo): Promise<Record<string, Verdict>> {
  const client = await ControllerClient.find(flags, io);
  const verdicts: Record<string, Verdict> = {};
  for (const team of await chooseTeams(client, flags.team)) verdicts[team] = await client.get(`/teams/${encodeURIComponent(team)}/audit/verification`, verdictShape);
  return verdicts;
}

/** For an auditor who does not trust the controller; the store is loaded only here, so other commands start fast. */
async function readDatabase(url: string, only: string | undefined): Promise<Record<string, Verdict>> {
  const [{ createStorePool }, { verifyAudit }, { sql }] = await Promise.all([import('../store/pool.ts'), import('../store/audit-verify.ts'), import('slonik')]);
  const pool = await createStorePool({ url, maximumPoolSize: 1, connectTimeoutMs: 10_000 });
  try {
    const known = await pool.anyFirst(sql.type(z.object({ team: z.string() }))`select team from audit_head union select team from audit_row order by team`);
    const verdicts: Record<string, Verdict> = {};
    for (const team of only === undefined ? known : [only]) {
      const { checked, firstBroken, heads } = await verifyAudit(pool, team);
      verdicts[team === '' ? '(controller)' : team] = { checked, ok: firstBroken === undefined, firstBroken: firstBroken ?? null, head: heads[0] ?? null };
    }
    return verdicts;
  } finally {
    await pool.end();
  }
}

function sentence(team: string, verdict: Verdict): string {
  const name = printable(team);
  if (verdict.firstBroken !== null) return `${name}: BROKEN at row ${String(verdict.firstBroken.id)}: ${printable(verdict.firstBroken.reason)}\n`;
  return verdict.head === null ? `${name}: no rows yet\n` : `${name}: ${String(verdict.checked)} rows are as they were written; the head is row ${String(verdict.head.id)}, ${verdict.head.hash}\n`;
}

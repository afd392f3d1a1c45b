/** `tagboat audit`: who did what; `tagboat audit verify`: the proof that nothing was changed or removed (R26). */
import type { Command } from 'commander';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import { chooseTeam, chooseTeams, ControllerClient, formatOf, processIo, runCommand, withClientFlags } from './client.ts';
import type { CliIo } from './client.ts';
import { fittedColumns, painter, printable } from './table.ts';

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
  readonly before?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly object?: string;
  readonly result?: string;
  readonly since?: string;
  readonly until?: string;
  readonly format?: string;
}

export function registerAudit(program: Command, io: CliIo = processIo): void {
  const audit = withClientFlags(program.command('audit'))
    .description('show the audit log, newest first')
    .option('--team <name>', 'the team; needed where there are several')
    .option('--limit <rows>', 'how many rows, 1 to 1000 (default 50)')
    .option('--before <number>', 'only rows with a smaller number: the next page')
    .option('--actor <text>', 'only rows whose actor holds this text: an address, agent:harbor, cli:')
    .option('--action <text>', 'only such actions: deployment., token.created, access.refused')
    .option('--object <text>', 'only such objects: deployment/shop')
    .option('--result <text>', 'only such results')
    .option('--since <time>', 'from this moment on: 2026-01-31, 2026-01-31T12:00:00Z, or 2h, 7d ago')
    .option('--until <time>', 'up to this moment')
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
  const { before, actor, action, object, result } = flags;
  const asked = { limit, before, actor, action, object, result, from: momentOf(flags.since, '--since'), to: momentOf(flags.until, '--until') };
  const query = new URLSearchParams(Object.entries(asked).flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, value]])));
  const page = await client.get(`/teams/${encodeURIComponent(team)}/audit?${query.toString()}`, pageShape);
  if (format === 'json') io.out(`${JSON.stringify(page, null, 2)}\n`);
  else if (page.rows.length === 0) io.out(query.size > 1 ? 'No such rows.\n' : 'Nothing happened yet.\n');
  else io.out(fittedColumns([['#', 'AT', 'ACTOR', 'ACTION', 'OBJECT', 'COMMIT', 'RESULT'], ...page.rows.map((row) => [String(row.id), row.at.slice(0, 19) + 'Z', row.actor, row.action, row.object, row.commit?.slice(0, 12) ?? '-', row.result])], io.terminal?.columns ?? Number.POSITIVE_INFINITY, painter(io.terminal?.colours ?? false)));
  return 0;
}

const AGO: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time as the controller reads it; `2h` and `7d` are so long ago. */
function momentOf(text: string | undefined, flag: string): string | undefined {
  const ago = /^([1-9]\d{0,5})([mhd])$/.exec(text ?? '');
  if (ago !== null) return new Date(Date.now() - Number(ago[1]) * (AGO[ago[2] ?? ''] ?? 0)).toISOString();
  if (text !== undefined && Number.isNaN(new Date(text).getTime())) throw new TagboatError('UsageError', `${flag} is no time`, { hint: 'Write it like 2026-01-31, 2026-01-31T12:00:00Z or 7d.' });
  return text;
}

type Verdict = z.infer<typeof verdictShape>;

async function verify(flags: Flags & { readonly databaseUrl?: string }, io: CliIo): Promise<number> {
  const format = formatOf(flags.format);
  // Only the flag or its own variable decides; a controller's configuration file is not looked at.
  const url = flags.databaseUrl ?? (io.env['TAGBOAT_DATABASE_URL'] || undefined);
  if (url !== undefined && !/^postgres(ql)?:\/\/./.test(url)) throw new TagboatError('UsageError', '--database-url is no address of a PostgreSQL', { hint: 'It looks like postgres://user:password@host:5432/database.' });
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

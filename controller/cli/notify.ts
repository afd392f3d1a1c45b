/** `tagboat notify test NAME`: says something on a channel and waits for what becomes of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { chooseTeam, ControllerClient, formatOf, processIo, runCommand, withClientFlags } from './client.ts';
import type { CliIo } from './client.ts';
import { printable } from './table.ts';

interface Flags {
  readonly url?: string;
  readonly token?: string;
  readonly team?: string;
  readonly format?: string;
}

const deliveryShape = z.object({ id: z.number(), state: z.enum(['pending', 'delivered', 'failed', 'dropped']), tries: z.number(), status: z.number().nullable(), error: z.string() }).passthrough();
const listShape = z.array(z.object({ name: z.string(), deliveries: z.array(deliveryShape) }).passthrough());
const queuedShape = z.object({ id: z.number() });

const PATIENCE_MS = 30_000;
const LOOK_MS = 300;

export function registerNotify(program: Command, io: CliIo = processIo): void {
  const notify = program.command('notify').description('try channels of notifications');
  withClientFlags(notify.command('test'))
    .description('say something on the channel of a Notification manifest and tell whether it arrived')
    .argument('<name>', 'the name in the manifest')
    .option('--team <name>', 'the team; needed where there are several')
    .option('--format <format>', 'text or json', 'text')
    .action((name: string, flags: Flags) => runCommand(io, () => test(name, flags, io)));
}

async function test(name: string, flags: Flags, io: CliIo): Promise<number> {
  const format = formatOf(flags.format);
  const client = await ControllerClient.find(flags, io);
  const team = await chooseTeam(client, flags.team);
  const at = `/teams/${encodeURIComponent(team)}/notifications`;
  const { id } = await client.post(`${at}/${encodeURIComponent(name)}/tests`, queuedShape);
  let delivery: z.infer<typeof deliveryShape> | undefined;
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(LOOK_MS)) {
    delivery = (await client.get(at, listShape)).find((one) => one.name === name)?.deliveries.find((one) => one.id === id);
    // A first try that failed tells enough; the others go on without us.
    if (delivery !== undefined && (delivery.state !== 'pending' || (delivery.tries > 0 && delivery.error !== ''))) break;
  }
  const arrived = delivery?.state === 'delivered';
  if (format === 'json') io.out(`${JSON.stringify({ team, notification: name, ...(delivery ?? { id, state: 'pending' }) }, null, 2)}\n`);
  else if (arrived) io.out(`${name} of team ${team}: it arrived (${delivery?.status ?? ''}).\n`);
  else io.err(`${name} of team ${team}: ${printable(delivery?.error === undefined || delivery.error === '' ? 'nothing came of it within 30 s' : delivery.error)}.\n`);
  return arrived ? 0 : 1;
}

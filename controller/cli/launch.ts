/**
 * Before any command is loaded: where the unit of an agent runs another version than the installed one, this process has nothing to do but to launch it, for as long
 * as the host runs, and with all commands it would be twice as large.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot, packageVersion } from '../package-root.ts';
import { updateDeadlineMs } from './update-deadline.ts';

/** The exit code, or undefined where the commands have to be loaded: for everything else, and for what is wrong here. */
export async function launchOther(args: readonly string[]): Promise<number | undefined> {
  if ((process.env['INVOCATION_ID'] ?? '') === '' || args[0] !== 'agent' || args[1] !== 'docker') return undefined;
  const { values } = parseArgs({ args: [...args], strict: false, options: { directory: { type: 'string', default: '.tagboat-agent' }, 'update-deadline': { type: 'string', default: '60s' }, 'log-level': { type: 'string', default: 'info' } } });
  const deadlineMs = updateDeadlineMs(String(values['update-deadline']));
  if (deadlineMs === undefined || ['enrol-only', 'rotate-secrets-key', 'help', 'h'].some((flag) => values[flag] !== undefined)) return undefined;
  const { createLogger } = await import('../log.ts');
  const { openUnit } = await import('../../agents/docker/self/unit.ts');
  const { untilSignal } = await import('./until-signal.ts');
  const log = createLogger({ level: String(values['log-level']), pretty: process.stderr.isTTY });
  const unit = openUnit({ directory: resolve(String(values['directory'])), root: packageRoot(), version: packageVersion(), deadlineMs, args, log });
  if (unit?.launches !== true) return undefined;
  return unit.launch(untilSignal());
}

/** `tagboat controller`: the service, from its configuration. */
import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { createLogger } from '../log.ts';
import type { CliIo } from './client.ts';
import { processIo, runCommand } from './client.ts';
import { aborted, exitSoon, untilSignal } from './until-signal.ts';

export function registerController(program: Command, io: CliIo = processIo): void {
  program
    .command('controller')
    .description('run the controller')
    .option('--config <file>', 'configuration file (TAGBOAT_CONFIG; else tagboat.yaml in this directory)')
    .addHelpText('after', '\nEvery setting can come from the environment, for example TAGBOAT_LISTENERS_HTTP_PORT.\nThe schema of the file: schemas/controller-config.schema.json')
    .action((flags: { config?: string }) =>
      runCommand(io, async () => {
        const config = loadConfig({ path: flags.config, env: io.env, directory: io.directory });
        const log = createLogger({ level: config.logLevel, pretty: process.stderr.isTTY });
        const signal = untilSignal();
        // Loaded when it is needed: other commands start without it.
        const { startController } = await import('../main.ts');
        const controller = await startController(config, log);
        try {
          await Promise.race([aborted(signal), controller.failed]);
        } finally {
          await controller.stop();
          exitSoon();
        }
        return 0;
      }),
    );
}

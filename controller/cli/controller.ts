/** `tagboat controller`: the service, from its configuration; and what runs it in a cluster. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { TagboatError } from '../errors.ts';
import { createLogger } from '../log.ts';
import { packageVersion } from '../package-root.ts';
import type { CliIo } from './client.ts';
import { processIo, runCommand } from './client.ts';
import { controllerManifest } from './controller-manifest.ts';
import { makeDirectory } from './make-directory.ts';
import { aborted, exitSoon, untilSignal } from './until-signal.ts';

interface ManifestFlags {
  readonly config?: string;
  readonly image?: string;
  readonly namespace: string;
  readonly replicas: string;
}

export function registerController(program: Command, io: CliIo = processIo): void {
  const controller = program
    .command('controller')
    .description('run the controller')
    .option('--config <file>', 'configuration file (TAGBOAT_CONFIG; else tagboat.yaml in this directory)')
    .addHelpText('after', '\nEvery setting can come from the environment, for example TAGBOAT_LISTENERS_HTTP_PORT.\nThe schema of the file: schemas/controller-config.schema.json')
    .action((flags: { config?: string }) =>
      runCommand(io, async () => {
        const config = loadConfig({ path: flags.config, env: io.env, directory: io.directory });
        const log = createLogger({ level: config.logLevel, pretty: process.stderr.isTTY });
        makeDirectory(config.dataDirectory, 0o700);
        const signal = untilSignal();
        // Loaded when it is needed: other commands start without it.
        const { startController } = await import('../main.ts');
        const running = await startController(config, log);
        try {
          await Promise.race([aborted(signal), running.failed]);
        } finally {
          await running.stop();
          exitSoon();
        }
        return 0;
      }),
    );

  controller
    .command('manifests')
    .description('print the objects that run the controller in a Kubernetes cluster')
    .option('--config <file>', 'the tagboat.yaml that they hold, without secrets in it; one to fill in unless told')
    .option('--image <image>', 'of controller and agents, as the cluster pulls it (tagboat:<version>)')
    .option('--namespace <name>', 'where they go', 'tagboat')
    .option('--replicas <count>', 'how many share the work', '2')
    .action((_own: unknown, command: Command) => runCommand(io, () => printManifests(command.optsWithGlobals<ManifestFlags>(), io)));
}

async function printManifests(flags: ManifestFlags, io: CliIo): Promise<number> {
  const { namespace } = flags;
  const replicas = Number(flags.replicas);
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 100) throw new TagboatError('UsageError', `--replicas ${flags.replicas} is no count from 1 to 100`);
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace)) throw new TagboatError('UsageError', `--namespace ${namespace} is no name of a namespace`);
  const config = flags.config === undefined ? null : readConfig(resolve(io.directory, flags.config), flags.config);
  try {
    io.out(controllerManifest({ namespace, image: flags.image ?? `tagboat:${packageVersion()}`, config, replicas }));
  } catch (error) {
    throw new TagboatError('ConfigInvalid', `${flags.config ?? 'the configuration'} is no YAML: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return 0;
}

function readConfig(path: string, shown: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new TagboatError('UsageError', `${shown} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, { cause: error });
  }
}

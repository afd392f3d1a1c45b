/** The tree of commands: one file per command, each registers itself here. */
import { styleText } from 'node:util';
import { Command } from 'commander';
import { packageVersion } from '../package-root.ts';
import { registerAgent } from './agent.ts';
import { registerAudit } from './audit.ts';
import { registerController } from './controller.ts';
import { wantsColours } from './client.ts';
import { registerCompletion } from './completion.ts';
import { registerDemo } from './demo.ts';
import { addExamples } from './examples.ts';
import { registerImport } from './import.ts';
import { registerInit } from './init.ts';
import { registerLogs } from './logs.ts';
import { registerNode } from './node.ts';
import { registerNotify } from './notify.ts';
import { registerPlan } from './plan.ts';
import { registerRender } from './render.ts';
import { registerSeal } from './seal.ts';
import { registerStatus } from './status.ts';
import { registerToken } from './token.ts';
import { registerValidate } from './validate.ts';

export function createProgram(): Command {
  const program = new Command('tagboat')
    .description('Deploys products from Git to Docker hosts and Kubernetes clusters.')
    .version(packageVersion())
    .showHelpAfterError('(--help shows what is possible)')
    .addHelpText('after', '\nExit codes: 0 fine, 1 problems found, 2 wrong use, 3 could not reach something.')
    .configureOutput({
      getOutHasColors: () => process.stdout.isTTY && wantsColours(process.env),
      getErrHasColors: () => process.stderr.isTTY && wantsColours(process.env),
    })
    .configureHelp({ styleTitle: (text) => styleText('bold', text), styleCommandText: (text) => styleText('cyan', text), styleSubcommandText: (text) => styleText('cyan', text), styleOptionText: (text) => styleText('cyan', text) })
    .exitOverride();

  for (const register of [registerDemo, registerController, registerAgent, registerInit, registerValidate, registerRender, registerPlan, registerSeal, registerStatus, registerLogs, registerAudit, registerNode, registerToken, registerImport, registerNotify, registerCompletion]) register(program);
  addExamples(program);
  for (const command of program.commands) {
    command.exitOverride();
    for (const nested of command.commands) nested.exitOverride();
  }
  return program;
}

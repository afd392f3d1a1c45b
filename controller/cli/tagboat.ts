#!/usr/bin/env node
/** The command line: one file per command, each registers itself here. The only place that may start either side. */
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../package-root.ts';
import { registerAgent } from './agent.ts';
import { registerAudit } from './audit.ts';
import { registerController } from './controller.ts';
import { registerDemo } from './demo.ts';
import { registerImport } from './import.ts';
import { registerNode } from './node.ts';
import { registerPlan } from './plan.ts';
import { registerRender } from './render.ts';
import { registerSeal } from './seal.ts';
import { registerStatus } from './status.ts';
import { registerToken } from './token.ts';
import { registerValidate } from './validate.ts';

const program = new Command('tagboat')
  .description('Deploys products from Git to Docker hosts and Kubernetes clusters.')
  .version(packageVersion())
  .showHelpAfterError('(--help shows what is possible)')
  .addHelpText('after', '\nExit codes: 0 fine, 1 problems found, 2 wrong use, 3 could not reach something.')
  .exitOverride();

for (const register of [registerDemo, registerController, registerAgent, registerValidate, registerRender, registerPlan, registerSeal, registerStatus, registerAudit, registerNode, registerToken, registerImport]) register(program);
for (const command of program.commands) {
  command.exitOverride();
  for (const nested of command.commands) nested.exitOverride();
}

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said what is wrong; 0 is help and version.
  process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : 2;
  if (!(error instanceof CommanderError)) throw error;
}

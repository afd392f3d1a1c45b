/** `tagboat completion bash|zsh|fish` */
import type { Command } from 'commander';
import { TagboatError } from '../errors.ts';
import type { CliIo } from './client.ts';
import { processIo, runCommand } from './client.ts';
import { commandTree } from './command-tree.ts';
import { completionScript, SHELLS } from './completion-scripts.ts';

export function registerCompletion(program: Command, io: CliIo = processIo): void {
  program
    .command('completion')
    .description('print the completion script for a shell')
    .argument('<shell>', 'bash, zsh or fish')
    .action((name: string) =>
      runCommand(io, async () => {
        const shell = SHELLS.find((one) => one === name);
        if (shell === undefined) throw new TagboatError('UsageError', `there is no completion for ${name}`, { hint: 'Use bash, zsh or fish.' });
        io.out(completionScript(shell, commandTree(program)));
        return 0;
      }),
    );
}

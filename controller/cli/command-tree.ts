/** The commands as data: what completion scripts and checks of the help are made of. */
import type { Command } from 'commander';

export interface CommandNode {
  /** `tagboat node enroll` */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  /** Takes a directory or a file as its argument. */
  readonly takesFiles: boolean;
  readonly options: readonly OptionNode[];
  readonly commands: readonly CommandNode[];
}

export interface OptionNode {
  /** `--format`, `-f`; the long one first. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly value: 'none' | 'any' | 'file' | readonly string[];
}

/** Everything below `program`, itself included; hidden ones are left out. */
export function commandTree(program: Command, above = ''): CommandNode {
  const path = above === '' ? program.name() : `${above} ${program.name()}`;
  const help = program.createHelp();
  return {
    path,
    name: program.name(),
    description: program.description(),
    takesFiles: program.registeredArguments.some((argument) => /^(dir|directory|file)$/i.test(argument.name())),
    options: help.visibleOptions(program).map((option) => ({
      flags: [option.long, option.short].filter((flag): flag is string => typeof flag === 'string'),
      description: option.description,
      value: valueOf(option.flags, option.description, option.argChoices),
    })),
    commands: help.visibleCommands(program).filter((command) => command.name() !== 'help').map((command) => commandTree(command, path)),
  };
}

/** Every node, the first one first. */
export function allCommands(node: CommandNode): readonly CommandNode[] {
  return [node, ...node.commands.flatMap(allCommands)];
}

function valueOf(flags: string, description: string, choices: readonly string[] | undefined): OptionNode['value'] {
  if (choices !== undefined) return choices;
  const argument = /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1];
  if (argument === undefined) return 'none';
  if (/^(file|dir|directory|path)$/.test(argument)) return 'file';
  // Where the command itself checks the word, its description lists what there is.
  if (flags.includes('--format')) return description.match(/\b(text|json|yaml|markdown)\b/g) ?? 'any';
  if (flags.includes('--role')) return ['user', 'admin', 'owner'];
  return 'any';
}

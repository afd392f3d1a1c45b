/** Completion for shells, written out of the tree of commands. Pure; the scripts ask nobody when they run. */
import { allCommands } from './command-tree.ts';
import type { CommandNode, OptionNode } from './command-tree.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, tree: CommandNode): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](tree);
}

/** Cases of `path:flag` with what may follow the flag. */
function valueCases(tree: CommandNode, write: (patterns: readonly string[], value: Exclude<OptionNode['value'], 'none'>) => string): string {
  return allCommands(tree)
    .flatMap((node) => node.options.flatMap(({ flags, value }) => (value === 'none' ? [] : [write(flags.map((flag) => `${node.path}:${flag}`), value)])))
    .join('');
}

function bashScript(tree: CommandNode): string {
  const nodes = allCommands(tree);
  const below = nodes.slice(1).map(({ path }) => `"${path}"`).join('|');
  const values = valueCases(tree, (patterns, value) => {
    const answer = value === 'file' ? 'COMPREPLY=($(compgen -f -- "$cur"))' : value === 'any' ? ':' : `COMPREPLY=($(compgen -W "${value.join(' ')}" -- "$cur"))`;
    return `    ${patterns.map((pattern) => `"${pattern}"`).join('|')}) ${answer}; return ;;\n`;
  });
  const words = nodes
    .map((node) => `    "${node.path}") words="${[...node.commands.map(({ name }) => name), ...node.options.flatMap(({ flags }) => flags)].join(' ')}"${node.takesFiles ? ' files=yes' : ''} ;;\n`)
    .join('');
  return `# tagboat completion for bash. Use it with: source <(tagboat completion bash)
_tagboat() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at="tagboat" words="" files="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
      ${below}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at:$prev" in
${values}  esac
  case "$at" in
${words}  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ -n "$files" && "$cur" != -* ]]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _tagboat tagboat
`;
}

function zshScript(tree: CommandNode): string {
  const nodes = allCommands(tree);
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const described = (word: string, text: string): string => quoted(`${word.replaceAll(':', '\\:')}:${text.replaceAll('\n', ' ')}`);
  const below = nodes.slice(1).map(({ path }) => quoted(path)).join('|');
  const values = valueCases(tree, (patterns, value) => `    (${patterns.map(quoted).join('|')}) ${value === 'file' ? '_files' : value === 'any' ? ':' : `compadd -- ${value.join(' ')}`}; return ;;\n`);
  const words = nodes
    .map((node) => `    (${quoted(node.path)}) names=(${node.commands.map(({ name, description }) => described(name, description)).join(' ')}) flags=(${node.options.flatMap(({ flags, description }) => flags.map((flag) => described(flag, description))).join(' ')})${node.takesFiles ? ' files=yes' : ''} ;;\n`)
    .join('');
  return `#compdef tagboat
# tagboat completion for zsh. Put it into a file _tagboat of your $fpath, or use: source <(tagboat completion zsh)
_tagboat() {
  local at=tagboat files='' i
  local -a names flags
  for ((i = 2; i < CURRENT; i++)); do
    case "$at \${words[i]}" in
      (${below}) at="$at \${words[i]}" ;;
    esac
  done
  case "$at:\${words[CURRENT-1]}" in
${values}  esac
  case "$at" in
${words}  esac
  (( \${#names} )) && _describe 'command' names
  _describe -o 'option' flags # offered after a dash only
  [[ -n "$files" ]] && _files
  return 0
}
if [[ "\${funcstack[1]}" == _tagboat ]]; then _tagboat "$@"; else compdef _tagboat tagboat; fi
`;
}

function fishScript(tree: CommandNode): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', ' ')}'`;
  const nodes = allCommands(tree);
  const lines = nodes.flatMap((node) => {
    const here = `complete -c tagboat -n ${quoted(`__tagboat_at '${node.path}'`)}`;
    return [
      ...node.commands.map(({ name, description }) => `${here} -f -a ${quoted(name)} -d ${quoted(description)}`),
      ...node.options.map(({ flags, description, value }) => {
        const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(' ');
        const wanted = value === 'none' ? '' : value === 'file' ? ' -r -F' : value === 'any' ? ' -x' : ` -x -a ${quoted(value.join(' '))}`;
        return `${here} ${names}${wanted} -d ${quoted(description)}`;
      }),
      ...(node.takesFiles ? [`${here} -F`] : []),
    ];
  });
  return `# tagboat completion for fish. Use it with: tagboat completion fish > ~/.config/fish/completions/tagboat.fish
function __tagboat_at
    set -l at tagboat
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case ${nodes.slice(1).map(({ path }) => quoted(path)).join(' ')}
                set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end
complete -c tagboat -f
${lines.join('\n')}
`;
}

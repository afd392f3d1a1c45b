// @timeout 1000
/** Completion in the shells themselves: each runs its script, is asked for every place of the command line, and offers what the commands have. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allCommands, commandTree } from './command-tree.ts';
import type { CommandNode } from './command-tree.ts';
import { completionScript, SHELLS } from './completion-scripts.ts';
import type { Shell } from './completion-scripts.ts';
import { createProgram } from './program.ts';

const tree = commandTree(createProgram());

/** Each answers a file of lines with `=<line>` and the words offered for it, one a line. */
const ASK: Readonly<Record<Shell, string>> = {
  bash: `source "$1"
while IFS= read -r line; do
  read -r -a COMP_WORDS <<< "$line"
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _tagboat
  printf '%s\\n' "=$line" "\${COMPREPLY[@]}"
done < "$2"`,
  // Its completion runs in the line editor only: a second zsh on a terminal of its own, where a key asks and notes. What it shows has to be
  // read, or it waits for room on its terminal.
  zsh: `zmodload zsh/zpty zsh/zselect
out=$3
print -r -- '
  autoload -Uz compinit; compinit -u -D
  source $SCRIPT
  compadd() {
    if [[ " \${(j: :)@[1,(i)(-|--)]} " == *" -"[a-zA-Z]#[OAD]" "* ]]; then builtin compadd "$@"; return; fi
    local -a hits; builtin compadd -A hits "$@"; (( $#hits )) && print -rl -- $hits >> $OUT; builtin compadd "$@"
  }
  zle -C offer list-choices _main_complete
  note() { print -r -- "=$BUFFER" >> $OUT; zle offer; print -r -- "." >> $OUT; BUFFER= }
  zle -N note; bindkey "^T" note; setopt extendedglob; print ready >> $OUT' > $3.rc
: > $out
wait_for() { for _ in {1..6000}; do while zpty -r -t shell shown; do :; done; (( $(grep -cx -- $1 $out) >= $2 )) && return; zselect -t 2; done; print -u2 "nothing for $3"; exit 1 }
export SCRIPT=$1 OUT=$out
zpty -b shell zsh -f -i
zpty -w shell "source $3.rc"
wait_for ready 1 start
n=0
while IFS= read -r line; do zpty -w -n shell "$line"$'\\024'; wait_for '\\.' $((++n)) "$line"; done < $2
zpty -d shell
grep -vx -e ready -e '\\.' $out`,
  fish: `source $argv[1]
while read -l line
    echo "=$line"
    complete -C "$line" | string split -f 1 \\t
end < $argv[2]
exit 0`,
};

const START: Readonly<Record<Shell, readonly string[]>> = { bash: ['--norc', '--noprofile'], zsh: ['-f'], fish: ['--no-config'] };

/** The words that a shell offers at the end of each line. */
function offered(shell: Shell, lines: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const home = mkdtempSync(join(tmpdir(), `tagboat-${shell}-`));
  try {
    const at = (name: string): string => join(home, name);
    mkdirSync(at('repository/deployments'), { recursive: true });
    writeFileSync(at('repository/delta.yaml'), '');
    writeFileSync(at('script'), completionScript(shell, tree));
    writeFileSync(at('ask'), ASK[shell]);
    writeFileSync(at('lines'), `${lines.join('\n')}\n`);
    const env = { PATH: process.env['PATH'] ?? '', HOME: home, TERM: 'xterm', LC_ALL: 'C.UTF-8' };
    const { status, stdout, stderr, error } = spawnSync(shell, [...START[shell], at('ask'), at('script'), at('lines'), at('out')], { cwd: at('repository'), env, encoding: 'utf8', timeout: 300_000, maxBuffer: 16 * 1024 * 1024 });
    assert.equal([error, status, stderr], [undefined, 0, ''], stdout.slice(-500));
    const answers = new Map<string, string[]>();
    let words: string[] = [];
    for (const word of stdout.split('\n')) {
      if (word.startsWith('=')) answers.set(word.slice(1), (words = []));
      else if (word !== '') words.push(word.trim());
    }
    return new Map([...answers].map(([line, found]) => [line, [...new Set(found)].sort()]));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Lines, and what has to be offered there besides nothing else. */
function expectations(): Map<string, readonly string[]> {
  const wanted = new Map<string, readonly string[]>();
  const longs = (node: CommandNode): string[] => node.options.flatMap(({ flags }) => flags.filter((flag) => flag.startsWith('--'))).sort();
  for (const node of allCommands(tree)) {
    wanted.set(`${node.path} --`, longs(node));
    if (node.commands.length > 0) wanted.set(`${node.path} `, node.commands.map(({ name }) => name).sort());
    for (const { flags, value } of node.options) if (Array.isArray(value)) wanted.set(`${node.path} ${flags[0]!} `, [...(value as readonly string[])].sort());
  }
  wanted.set('tagboat no', ['node', 'notify']);
  wanted.set('tagboat node en', ['enroll']);
  wanted.set('tagboat plan --format m', ['markdown']);
  wanted.set('tagboat --log', longs(tree).filter((flag) => flag.startsWith('--log')));
  wanted.set('tagboat status --team x --fo', ['--format']);
  return wanted;
}

const test = suite('completion');

for (const shell of SHELLS) {
  test(`${shell} offers the commands, options and words of every place`, () => {
    if (spawnSync(shell, ['--version']).error !== undefined) {
      if (process.env['TAGBOAT_REQUIRE_SHELLS'] === '1') throw new Error(`completion needs ${shell}, and there is none`);
      return console.log(`\nSKIPPED completion in ${shell}: there is no such shell`);
    }
    const wanted = expectations();
    const files = ['tagboat validate de', 'tagboat plan de'];
    const answers = offered(shell, [...wanted.keys(), ...files]);
    for (const [line, words] of wanted) {
      const found = answers.get(line) ?? [];
      assert.equal(line.endsWith(' ') ? found.filter((word) => !word.startsWith('-')) : found, words, `after "${line}"`);
    }
    for (const line of files) for (const name of ['deployments', 'delta.yaml']) assert.ok(answers.get(line)?.some((word) => word.replace(/\/$/, '') === name), `${name} after "${line}": ${answers.get(line)?.join(' ') ?? ''}`);
  });
}

test.run();

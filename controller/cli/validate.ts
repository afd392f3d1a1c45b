/** `tagboat validate`: everything that is wrong with a directory's or a revision's manifests, at once. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { KINDS } from '../model/manifest.ts';
import { compareProblems } from '../model/problem.ts';
import { loadManifests, runCommand } from './load-manifests.ts';
import { countProblems, countText, problemText } from './print-problems.ts';

interface ValidateOptions {
  readonly rev?: string;
  readonly format: 'text' | 'json';
}

export function registerValidate(program: Command): void {
  program
    .command('validate')
    .description('check every manifest of a directory or a revision')
    .argument('[dir]', 'where the manifests are', '.')
    .option('--rev <rev>', 'a branch, tag or commit of the local Git repository instead of the files')
    .addOption(new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', '\nExit codes: 0 fine, 1 problems found, 2 wrong use, 3 could not read something.')
    .action((directory: string, options: ValidateOptions) => runCommand(() => validate(directory, options)));
}

async function validate(directory: string, options: ValidateOptions): Promise<void> {
  const { set, problems: found, from, judge } = await loadManifests(directory, options.rev);
  const problems = [...found, ...(await judge())].sort(compareProblems);
  const counts = countProblems(problems);
  const manifests = Object.fromEntries(KINDS.map((kind) => [kind, set.byKind[kind].size]));
  if (options.format === 'json') {
    process.stdout.write(`${JSON.stringify({ from, problems, counts: { ...counts, files: set.files, manifests } }, null, 2)}\n`);
  } else {
    const total = Object.values(manifests).reduce((sum, count) => sum + count, 0);
    const read = `${total} manifest${total === 1 ? '' : 's'} in ${set.files} file${set.files === 1 ? '' : 's'} of ${from}`;
    process.stdout.write(`${problemText(problems)}${read}: ${problems.length === 0 ? 'no problems' : countText(counts)}\n`);
  }
  if (counts.errors > 0) process.exitCode = 1;
}

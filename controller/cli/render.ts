/** `tagboat render`: what deployments come to when every layer is merged, and where each value was written. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { TagboatError } from '../errors.ts';
import { loadManifests, runCommand } from './load-manifests.ts';
import { countProblems, countText, problemText } from './print-problems.ts';
import { renderDeployments } from './render-deployment.ts';
import { renderText, renderYaml } from './render-print.ts';

interface RenderOptions {
  readonly rev?: string;
  readonly deployment?: string;
  readonly format: 'text' | 'yaml' | 'json';
}

export function registerRender(program: Command): void {
  program
    .command('render')
    .description('print deployments with everything merged, and the place that each value came from')
    .argument('[dir]', 'where the manifests are', '.')
    .option('--deployment <name>', 'this deployment only')
    .option('--rev <rev>', 'a branch, tag or commit of the local Git repository instead of the files')
    .addOption(new Option('--format <format>', 'how to print').choices(['text', 'yaml', 'json']).default('text'))
    .addHelpText('after', '\nExit codes: 0 fine, 1 problems found, 2 wrong use, 3 could not read something.')
    .action((directory: string, options: RenderOptions) => runCommand(() => render(directory, options)));
}

async function render(directory: string, options: RenderOptions): Promise<void> {
  const { set, problems, versions } = await loadManifests(directory, options.rev);
  const { deployment: name } = options;
  if (name !== undefined && !set.byKind.Deployment.has(name) && !problems.some((item) => item.object === `Deployment/${name}`)) {
    throw new TagboatError('NotFound', `There is no deployment ${name}`);
  }
  const deployments = [...set.byKind.Deployment.values()].filter((item) => name === undefined || item.name === name).sort((a, b) => (a.name < b.name ? -1 : 1));
  const { rendered, problems: more } = renderDeployments(deployments, set, versions);
  const all = [...problems, ...more];
  if (options.format === 'json') process.stdout.write(`${JSON.stringify({ deployments: rendered, problems: all }, null, 2)}\n`);
  else process.stdout.write(options.format === 'yaml' ? renderYaml(rendered) : renderText(rendered));
  const counts = countProblems(all);
  if (options.format !== 'json' && all.length > 0) process.stderr.write(`${problemText(all)}${countText(counts)}\n`);
  if (counts.errors > 0) process.exitCode = 1;
}

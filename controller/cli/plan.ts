/** `tagboat plan`: what a merge would do, against the live state of a controller, or from two commits of a local clone. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { TagboatError } from '../errors.ts';
import { asIfDeployed } from '../plan/as-if-deployed.ts';
import { planAsJson, planAsMarkdown, planAsText } from '../plan/explain.ts';
import { fromLiveState } from '../plan/live-state.ts';
import { maskSecrets } from '../plan/mask.ts';
import { plan } from '../plan/plan.ts';
import type { Desired, Plan } from '../plan/types.ts';
import type { CliIo } from './client.ts';
import { chooseTeam, ControllerClient, processIo, runCommand, withClientFlags } from './client.ts';
import { readLiveState } from './live-state.ts';
import type { LiveStateAnswer } from './live-state.ts';
import { branchOf, commitOf, holds, parentOf, withClone } from './local-clone.ts';

interface Flags {
  readonly url?: string;
  readonly token?: string;
  readonly base?: string;
  readonly head: string;
  readonly branch?: string;
  readonly directory?: string;
  readonly team?: string;
  readonly format: string;
}

const HELP = `
With a controller (TAGBOAT_URL or --url) the head is planned against what is live there, as the controller itself would. Without one, or with
--base, two commits are compared: as if the base were deployed, not the live state. The output says which.
Exit code 1: the head has a problem of severity error.`;

export function registerPlan(program: Command, io: CliIo = processIo): void {
  withClientFlags(program.command('plan'))
    .description('show what a commit does to what is live, or what the change from one commit to another does')
    .argument('[dir]', 'a clone of the team repository', '.')
    .option('--base <rev>', 'compare with this commit, as if it were deployed (default without a controller: the parent of the head)')
    .option('--head <rev>', 'what is to be deployed', 'HEAD')
    .option('--branch <name>', "the team's branch; else what the controller says, the one that is checked out, or main")
    .option('--directory <path>', 'where manifests begin in the repository; else what the controller says, or its root')
    .option('--team <name>', "the team's name; else the only one of the controller, or that of the Team manifest")
    .option('--format <format>', 'text, markdown or json', 'text')
    .addHelpText('after', HELP)
    .action((dir: string, flags: Flags) => runCommand(io, async () => planCommand(resolve(io.directory, dir), flags, io)));
}

const FORMATS = { text: planAsText, markdown: planAsMarkdown, json: planAsJson } as const;

async function planCommand(clone: string, flags: Flags, io: CliIo): Promise<number> {
  if (!Object.hasOwn(FORMATS, flags.format)) throw new TagboatError('UsageError', `the format ${flags.format} is not known`, { hint: 'Use text, markdown or json.' });
  const live = flags.base === undefined && (flags.url !== undefined || (io.env['TAGBOAT_URL'] ?? '') !== '');
  const { result, basis } = live ? await againstLive(clone, flags, io) : await betweenCommits(clone, flags);
  io.out(`${FORMATS[flags.format as keyof typeof FORMATS](result, basis).trimEnd()}\n`);
  return result.problems.some((item) => item.severity === 'error') ? 1 : 0;
}

const NOTHING: Desired = { team: '', commit: '', deployments: new Map(), blocked: new Map(), mayRemove: false, keepReason: '' };

interface Shown {
  readonly result: Plan;
  readonly basis: string;
}

async function betweenCommits(clone: string, flags: Flags): Promise<Shown> {
  const head = commitOf(clone, flags.head);
  const base = flags.base === undefined ? parentOf(clone, head) : commitOf(clone, flags.base);
  const settings = { team: flags.team ?? '', branch: flags.branch ?? branchOf(clone), directory: flags.directory ?? '' };
  return withClone(clone, settings, async ({ read, judge }) => {
    const before = base === null ? null : await read(base);
    const after = await read(head);
    const result = plan(after.desired, asIfDeployed(before?.desired ?? NOTHING, after.versions), { nodes: new Map(), drift: new Map() });
    return { result: { ...result, problems: [...after.problems, ...(await judge(head, base ?? head)), ...result.problems] }, basis: `${base === null ? 'nothing, because it is the first commit' : `commit ${base.slice(0, 12)}`}, not the live state` };
  });
}

/** The controller hands out what is recorded, secrets masked; the plan is made here, by the same code. Nothing is sent. */
async function againstLive(clone: string, flags: Flags, io: CliIo): Promise<Shown> {
  const head = commitOf(clone, flags.head);
  const client = await ControllerClient.find(flags, io);
  const live = await readLiveState(client, await chooseTeam(client, flags.team));
  const settings = { team: live.team, branch: flags.branch ?? live.branch, directory: flags.directory ?? live.directory, frozen: live.frozen, owners: live.owners, recipients: live.recipients, followed: live.followed };
  return withClone(clone, settings, async ({ read, judge }) => {
    const after = await read(head);
    const { recorded, observed } = fromLiveState(live);
    const made = plan(masked(after.desired), recorded, observed);
    // What is live has been accepted.
    const refused = live.commit === head ? [] : await judge(head, live.commit !== null && holds(clone, head, live.commit) ? live.commit : head);
    return { result: { ...made, problems: [...after.problems, ...refused, ...made.problems], notes: [...behind(clone, head, live), ...made.notes] }, basis: `the live state of team ${live.team}` };
  });
}

function masked(desired: Desired): Desired {
  return { ...desired, deployments: new Map([...desired.deployments].map(([name, item]) => [name, { ...item, spec: maskSecrets(item.spec) }])) };
}

/** A head that lacks what is live would undo it; a merge would not. */
function behind(clone: string, head: string, { commit, branch }: LiveStateAnswer): string[] {
  if (commit === null || holds(clone, head, commit)) return [];
  return [`the head does not hold commit ${commit.slice(0, 12)} of ${branch}, which is live; without it this plan also undoes what came with that commit`];
}

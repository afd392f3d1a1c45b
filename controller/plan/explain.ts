/** The plan as people read it: text for a terminal, Markdown for a review, JSON for programs. The same words everywhere. */
import type { Action, FieldChange, Plan } from './types.ts';

const VERBS = {
  deploy: 'deploy',
  rollback: 'roll back',
  retry: 'retry',
  heal: 'heal',
  remove: 'remove',
  adopt: 'adopt',
  withdraw: 'withdraw',
  hold: 'hold',
  blocked: 'blocked',
} as const satisfies Record<Action['kind'], string>;

/** One line for one action, for audit rows and lists. */
export function summarize(action: Action): string {
  const where = action.node === null ? '' : ` on ${action.node}/${action.prefix ?? '?'}`;
  const versions = action.from === action.to || action.to === null ? (action.from ?? '') : action.from === null ? action.to : `${action.from} → ${action.to}`;
  return `${VERBS[action.kind]} ${action.deployment}${versions === '' ? '' : ` ${versions}`}${where}: ${action.reason}`;
}

function change(item: FieldChange): string {
  if (item.from === null) return `${item.image}  ${item.path}: ${item.to ?? ''}`;
  if (item.to === null) return `${item.image}  ${item.path}: ${item.from} is removed`;
  return `${item.image}  ${item.path}: ${item.from} → ${item.to}`;
}

function details(action: Action): string[] {
  const lines = action.changes.map((item) => `change    ${change(item)}`);
  for (const choice of action.strategies) lines.push(`strategy  ${choice.image}: ${choice.strategy} (${choice.reason})`);
  for (const status of action.statusChanges) lines.push(`status    ${status.version}: ${status.from ?? 'new'} → ${status.to} (${status.reason})`);
  if (action.waitsFor.length > 0) lines.push(waitText(action));
  if (action.adoptsFrom !== null) lines.push(`adopts    the target of ${action.adoptsFrom} (R10)`);
  if (action.supersedes !== null) lines.push('supersedes the attempt under way (R21)');
  if (action.kind === 'remove') lines.push(action.removesVolumes ? 'volumes   are removed too' : 'volumes   stay');
  return lines;
}

/** `waits for db: db has port 80/tcp of the node until …`. */
export function waitText({ waitsFor, waitsBecause }: Pick<Action, 'waitsFor' | 'waitsBecause'>): string {
  return `waits for ${waitsFor.join(', ')}${waitsBecause === '' ? '' : `: ${waitsBecause}`}`;
}

/** Whether something of this image serves before: what is new has nobody to be away for. */
export function replaces({ from, changes }: Pick<Action, 'from' | 'changes'>, image: string): boolean {
  return from !== null && !changes.some((item) => item.image === image && item.path === 'image' && item.from === null);
}

/** What people fear, in one line: who is away for how long it takes a container to become healthy. */
function gaps(plan: Plan): string | null {
  const replacing = plan.actions.filter((action) => action.strategies.length > 0);
  if (replacing.length === 0) return null;
  const named = replacing.flatMap((action) => {
    const images = action.strategies.filter((choice) => choice.strategy === 'recreate' && replaces(action, choice.image)).map((choice) => choice.image);
    return images.length === 0 ? [] : [`${action.deployment} (${images.join(', ')})`];
  });
  return named.length === 0 ? 'No gap is expected.' : `A gap is expected for ${named.join(', ')}.`;
}

/** Text for a terminal; no colours. `basis` says what the plan was compared with. */
export function planAsText(plan: Plan, basis: string): string {
  const lines = [`Plan for team ${plan.team} at ${plan.commit.slice(0, 12)} (${basis})`, ''];
  if (plan.actions.length === 0) lines.push('Nothing to do: what is recorded matches Git.');
  for (const action of plan.actions) {
    lines.push(summarize(action));
    for (const detail of details(action)) lines.push(`    ${detail}`);
  }
  const gap = gaps(plan);
  if (gap !== null) lines.push('', gap);
  for (const note of plan.notes) lines.push(`note: ${note}`);
  for (const item of plan.problems) {
    lines.push(`${item.file === '' ? '' : `${item.file}:${item.line}:${item.column}  `}${item.severity} ${item.code}: ${item.message}`, `    ${item.hint}`);
  }
  lines.push('', `${plan.actions.length} ${plan.actions.length === 1 ? 'action' : 'actions'}, ${plan.problems.length} ${plan.problems.length === 1 ? 'problem' : 'problems'}, plan hash ${plan.hash.slice(0, 12)}`);
  return lines.join('\n');
}

/** Markdown for a pull request or a page; everything that comes from a manifest is in code spans. */
export function planAsMarkdown(plan: Plan, basis: string): string {
  const lines = [`### Plan for \`${plan.team}\` at \`${plan.commit.slice(0, 12)}\``, '', `Compared with ${basis}. Plan hash \`${plan.hash.slice(0, 12)}\`.`, ''];
  if (plan.actions.length === 0) lines.push('Nothing to do: what is recorded matches Git.');
  else {
    lines.push('| action | deployment | target | version | why |', '|---|---|---|---|---|');
    for (const action of plan.actions) {
      const version = action.from === action.to ? (action.to ?? '') : `${action.from ?? 'nothing'} → ${action.to ?? 'nothing'}`;
      lines.push(`| ${VERBS[action.kind]} | ${code(action.deployment)} | ${code(`${action.node ?? '?'}/${action.prefix ?? '?'}`)} | ${code(version)} | ${escapeCell(action.reason)} |`);
    }
    for (const action of plan.actions) {
      const list = details(action);
      if (list.length > 0) lines.push('', `**${code(action.deployment)}**`, '', ...list.map((detail) => `- ${code(detail)}`));
    }
  }
  const gap = gaps(plan);
  if (gap !== null) lines.push('', escapeCell(gap));
  if (plan.notes.length > 0) lines.push('', ...plan.notes.map((note) => `> ${escapeCell(note)}`));
  if (plan.problems.length > 0) {
    lines.push('', '| problem | place | message | hint |', '|---|---|---|---|');
    for (const item of plan.problems) lines.push(`| ${item.code} | ${code(`${item.file}:${item.line}:${item.column}`)} | ${escapeCell(item.message)} | ${escapeCell(item.hint)} |`);
  }
  return `${lines.join('\n')}\n`;
}

/** JSON for programs: the plan as it is, with its basis. */
export function planAsJson(plan: Plan, basis: string): string {
  return `${JSON.stringify({ ...plan, basis }, null, 2)}\n`;
}

/** A code span that its text cannot leave: the fence is longer than any run of backticks inside. */
function code(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = '`'.repeat(longest + 1);
  const pad = longest > 0 ? ' ' : '';
  return `${fence}${pad}${text.replaceAll('|', '\\|').replaceAll('\n', ' ')}${pad}${fence}`;
}

/** Markup loses its meaning; a name is no mention and a number no link to another request, for nobody shall be called by a plan. */
function escapeCell(text: string): string {
  return text.replaceAll('\n', ' ').replaceAll(/[|<>`*_[\]\\]/g, (character) => `\\${character}`).replaceAll(/[@#!~](?=[\w/-])|:(?=\/\/)/g, '$&\u200b');
}

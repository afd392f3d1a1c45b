/** What a Git host is told about a review: a status in one line, and the plan as `tagboat plan --format markdown` says it. */
import { planAsMarkdown } from '../../plan/explain.ts';
import type { Plan } from '../../plan/types.ts';
import type { OutboxPayload } from '../../store/outbox.ts';
import type { MergeRequest } from './requests.ts';

/** Both are told apart from those of other teams on the same repository by the team's name. */
export function verdictOf(team: string, request: MergeRequest, plan: Plan, publicUrl: string): readonly OutboxPayload[] {
  const url = `${publicUrl}/teams/${encodeURIComponent(team)}/reviews/${encodeURIComponent(request.ref)}`;
  const errors = plan.problems.filter((item) => item.severity === 'error');
  const first = errors[0];
  const description = first === undefined ? `${counted(plan)}; plan ${plan.hash.slice(0, 12)}` : `${errors.length === 1 ? '1 problem' : `${errors.length} problems`}: ${first.file === '' ? '' : `${first.file}:${first.line} `}${first.message}`;
  const branch = request.gitRef.startsWith('refs/heads/') ? request.gitRef.slice('refs/heads/'.length) : null;
  return [
    { kind: 'status', commit: request.head, state: first === undefined ? 'success' : 'failure', context: `tagboat/${team}`, description: oneLine(description), url },
    { kind: 'comment', number: request.number, branch, body: `${planAsMarkdown(plan, `the live state of team ${team}`)}\n[The whole review](${url})\n` },
  ];
}

/** What a comment is found again by. */
export function markerOf(team: string, ref: string): string {
  return `tagboat review ${team} ${encodeURIComponent(ref)}`;
}

function counted({ actions }: Plan): string {
  if (actions.length === 0) return 'Nothing to do';
  const counts = new Map<string, number>();
  for (const { kind } of actions) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, 500);
}

/**
 * The room where events become messages. What comes in are rows of the outbox; what leaves are bodies of HTTP requests and how they
 * ended. Who lives here: message (words), channels (each service's own shape and escapes), send (HTTP, and where it may go), delivery-loop.
 */
import type { Happened, NotificationEvent } from '../model/notification.ts';
import { scrub } from '../scrub.ts';

/** One message in plain words; every channel escapes it in its own way. */
export interface Message {
  readonly title: string;
  /** '' where the title says it all. */
  readonly text: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** The page that shows more. */
  readonly url: string;
  readonly tone: 'good' | 'bad' | 'plain';
}

const TITLE_LENGTH = 200;
const TEXT_LENGTH = 1200;
const FACT_LENGTH = 200;

const TONES: Readonly<Record<NotificationEvent, Message['tone']>> = {
  'deployment-started': 'plain', 'deployment-succeeded': 'good', 'deployment-failed': 'bad', 'deployment-removed': 'plain', 'rolled-back': 'good', drifted: 'bad', healed: 'good', problem: 'bad',
  'node-connected': 'good', 'node-unreachable': 'bad', 'tag-moved': 'bad', test: 'plain',
};

/** @param publicUrl of the pages, without a slash at its end. */
export function messageOf(happened: Happened, publicUrl: string): Message {
  const { event, team, deployment, node, detail } = happened;
  const word = (key: string): string => (typeof detail[key] === 'string' ? detail[key] : '');
  const commit = word('commit').slice(0, 12);
  const facts: [string, string][] = [['Team', team], ['Deployment', deployment ?? ''], ['Version', word('version')], ['Node', node ?? ''], ['Commit', commit], ['By', word('actor')]];
  const path = deployment !== null ? `/deployments/${encodeURIComponent(deployment)}` : node !== null ? `/nodes/${encodeURIComponent(node)}` : '';
  return {
    title: clip(titleOf(happened, word), TITLE_LENGTH),
    text: clip(textOf(happened, word), TEXT_LENGTH),
    facts: facts.filter(([, value]) => value !== '').map(([name, value]) => [name, clip(value, FACT_LENGTH)] as const),
    url: `${publicUrl}/teams/${encodeURIComponent(team)}${path}`,
    tone: TONES[event],
  };
}

function titleOf({ event, team, deployment, node, detail }: Happened, word: (key: string) => string): string {
  const what = deployment ?? '';
  const version = word('version') === '' ? '' : ` ${word('version')}`;
  const on = node === null ? '' : ` on ${node}`;
  switch (event) {
    case 'deployment-started': return `${what}${version} is being deployed${on}`;
    case 'deployment-succeeded': return `${what}${version} was deployed${on}`;
    case 'deployment-failed': return `${what}${version} failed${on}`;
    case 'deployment-removed': return `${what} was removed${on}`;
    case 'rolled-back': return `${what} was rolled back to${version}${on}`;
    case 'drifted': return `${what} was changed by hand${on}`;
    case 'healed': return `${what} was put back as it should be${on}`;
    case 'problem': return `${countOf(detail)} in the repository of ${team}`;
    case 'tag-moved': return `A tag of a frozen version was moved in the repository of ${team}`;
    case 'node-connected': return `Node ${node ?? ''} is connected`;
    case 'node-unreachable': return `Node ${node ?? ''} cannot be reached`;
    case 'test': return `A test of Tagboat's notifications for ${team}`;
  }
}

function countOf(detail: Happened['detail']): string {
  const count = Number(detail['count'] ?? 1);
  return count === 1 ? 'A new problem' : `${count} new problems`;
}

function textOf({ event, detail }: Happened, word: (key: string) => string): string {
  if (event === 'test') return `${word('actor')} asked for it. If you can read this, the channel works.`;
  if (event === 'node-unreachable') return 'What runs on it goes on running; new deployments wait until it is back.';
  if (event === 'drifted') return listOf(detail['drift'], (item) => `${String(item['container'])}: ${String(item['field'])}`);
  if (event === 'problem' || event === 'tag-moved') {
    return listOf(detail['problems'], (item) => `${String(item['file']) === '' ? '' : `${String(item['file'])}:${String(item['line'])} `}${String(item['code'])}: ${String(item['message'])}`);
  }
  return event === 'deployment-failed' ? word('reason') : '';
}

function listOf(value: unknown, line: (item: Readonly<Record<string, unknown>>) => string): string {
  return (Array.isArray(value) ? (value as Readonly<Record<string, unknown>>[]) : []).map(line).join('\n');
}

/** Bounded, without what looks like a secret (R27) and without characters that a terminal or a chat would act on. */
function clip(text: string, length: number): string {
  // eslint-disable-next-line no-control-regex
  const clean = scrub(text).replace(/[\u0000-\u0009\u000b-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g, ' ').trim();
  return clean.length <= length ? clean : `${clean.slice(0, length - 1)}…`;
}

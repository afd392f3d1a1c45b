/** Every service's own shape, and text that stays text. The shapes are those of the services' own pages on incoming webhooks. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Channel, Happened } from '../model/notification.ts';
import { bodyOf } from './channels.ts';
import { messageOf } from './message.ts';

const FAILED: Happened = {
  id: 7, team: 'acme', event: 'deployment-failed', deployment: 'shop', node: 'harbor', at: new Date('2026-01-02T03:04:05Z'),
  detail: { version: '1.2.0', product: 'shop', prefix: 'shop', commit: 'abcdef0123456789', actor: 'ann@example.org', reason: 'HealthCheckFailed: <!channel> @channel @everyone *bold* [x](https://evil.example) `code`\nAuthorization: Bearer s3cr3tt0k3ns3cr3t' },
};

function body(channel: Channel, happened = FAILED): Record<string, unknown> {
  // As it goes over the line.
  return JSON.parse(JSON.stringify(bodyOf(channel, messageOf(happened, 'https://tagboat.example.org'), happened))) as Record<string, unknown>;
}
const CHANNELS = ['webhook', 'slack', 'discord', 'teams', 'mattermost', 'rocket-chat'] as const satisfies readonly Channel[];
const URL_SHOWN = 'https://tagboat.example.org/teams/acme/deployments/shop';

test('no channel tells a secret, all lead to the page', () => {
  for (const channel of CHANNELS) {
    const text = JSON.stringify(body(channel));
    assert.not.match(text, 's3cr3tt0k3n', channel);
    assert.match(text, URL_SHOWN, channel);
    assert.match(text, 'HealthCheckFailed', channel);
  }
});

test('webhook: plain fields', () => {
  const { text, ...rest } = body('webhook');
  assert.equal(rest, { id: '7', event: 'deployment-failed', team: 'acme', deployment: 'shop', node: 'harbor', at: '2026-01-02T03:04:05.000Z', title: 'shop 1.2.0 failed on harbor', url: URL_SHOWN, version: '1.2.0', commit: 'abcdef0123456789', actor: 'ann@example.org' });
  assert.match(String(text), '<!channel>');
});

test('slack: text and section blocks of mrkdwn, with &, < and > escaped', () => {
  const { text, blocks, ...rest } = body('slack') as { text: string; blocks: { type: string; text: { type: string; text: string } }[] };
  assert.equal(rest, { unfurl_links: false });
  assert.is(text, 'shop 1.2.0 failed on harbor');
  assert.ok(blocks.every((block) => block.type === 'section' && block.text.type === 'mrkdwn' && block.text.text.length > 0 && block.text.text.length <= 3000));
  assert.is(blocks[0]?.text.text, `*<${URL_SHOWN}|shop 1.2.0 failed on harbor>*`);
  assert.match(blocks[1]?.text.text ?? '', '&lt;!channel&gt;');
  assert.not.match(blocks[1]?.text.text ?? '', /<[^h]/);
});

test('discord: one embed within its limits, and no mention is parsed', () => {
  const { embeds, allowed_mentions: mentions } = body('discord') as { embeds: { title: string; url: string; description: string; color: number; fields: { name: string; value: string; inline: boolean }[] }[]; allowed_mentions: unknown };
  assert.equal(mentions, { parse: [] });
  const [embed] = embeds;
  assert.ok(embed !== undefined && embeds.length === 1 && embed.title.length <= 256 && embed.description.length <= 4096 && embed.fields.length <= 25);
  assert.ok(Number.isInteger(embed.color) && embed.color <= 0xffffff);
  assert.match(embed.description, '\\[x\\]\\(https://evil.example\\)');
});

test('teams: a message with one adaptive card', () => {
  const { type, attachments } = body('teams') as { type: string; attachments: { contentType: string; contentUrl: null; content: { type: string; version: string; body: { type: string; text?: string }[]; actions: unknown[] } }[] };
  assert.is(type, 'message');
  const [attachment] = attachments;
  assert.is(attachment?.contentType, 'application/vnd.microsoft.card.adaptive');
  assert.is(attachment?.content.type, 'AdaptiveCard');
  assert.equal(attachment?.content.body.map((block) => block.type), ['TextBlock', 'TextBlock', 'FactSet']);
  assert.match(attachment?.content.body[1]?.text ?? '', '\\*bold\\*');
  assert.equal(attachment?.content.actions, [{ type: 'Action.OpenUrl', title: 'Open', url: URL_SHOWN }]);
});

test('mattermost and rocket-chat: text, where @channel is a word', () => {
  const mattermost = body('mattermost') as { text: string };
  assert.equal(Object.keys(mattermost), ['text']);
  const rocket = body('rocket-chat') as { text: string; attachments: { title: string; title_link: string; text: string; color: string }[] };
  assert.match(rocket.attachments[0]?.color ?? '', /^#[0-9a-f]{6}$/);
  assert.is(rocket.attachments[0]?.title_link, URL_SHOWN);
  for (const text of [mattermost.text, rocket.text, rocket.attachments[0]?.text ?? '']) assert.not.match(text, /@(channel|all|here|everyone|ann)/);
});

test('every event has words, however much or little is known', () => {
  const events = ['deployment-started', 'deployment-succeeded', 'deployment-failed', 'deployment-removed', 'rolled-back', 'drifted', 'healed', 'problem', 'node-connected', 'node-unreachable', 'tag-moved', 'test'] as const;
  const titles = events.map((event) => messageOf({ ...FAILED, event }, '').title);
  assert.is(new Set(titles).size, events.length);
  for (const event of events) for (const channel of CHANNELS) assert.ok(JSON.stringify(body(channel, { ...FAILED, event, deployment: null, node: null, detail: {} })).length > 20);
  const problems = messageOf({ ...FAILED, event: 'problem', detail: { count: 7, problems: [{ code: 'UnknownReference', file: 'a.yaml', line: 3, message: 'there is no node x' }] } }, '');
  assert.equal([problems.title, problems.text], ['7 new problems in the repository of acme', 'a.yaml:3 UnknownReference: there is no node x']);
  const long = messageOf({ ...FAILED, detail: { reason: 'x'.repeat(100_000) } }, '');
  assert.ok(long.text.length <= 1200);
});

test.run();

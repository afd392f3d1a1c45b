/** The body that each service takes, with its markup escaped: what a manifest or a log says is text and pings nobody. Pure. */
import type { Channel, Happened } from '../model/notification.ts';
import type { Message } from './message.ts';

type Body = Readonly<Record<string, unknown>>;

export function bodyOf(channel: Channel, message: Message, happened: Happened): Body {
  return CHANNELS[channel](message, happened);
}

const CHANNELS: Readonly<Record<Channel, (message: Message, happened: Happened) => Body>> = {
  webhook: (message, { id, team, event, deployment, node, at, detail }) => ({
    id: String(id),
    event,
    team,
    deployment,
    node,
    at: at.toISOString(),
    title: message.title,
    text: message.text,
    url: message.url,
    version: typeof detail['version'] === 'string' ? detail['version'] : null,
    commit: typeof detail['commit'] === 'string' && detail['commit'] !== '' ? detail['commit'] : null,
    actor: typeof detail['actor'] === 'string' ? detail['actor'] : null,
  }),
  slack: (message) => {
    const lines = [`*<${slack(message.url)}|${slack(message.title)}>*`, slack(message.text), slack(factLine(message))].filter((line) => line !== '');
    // `text` is what notifications of the system show; the blocks are the message. A block's text has at most 3,000 characters.
    return { text: slack(message.title), blocks: lines.map((text) => ({ type: 'section', text: { type: 'mrkdwn', text: text.slice(0, 3000) } })), unfurl_links: false };
  },
  discord: (message) => ({
    embeds: [
      {
        title: message.title.slice(0, 256),
        url: message.url,
        description: markdown(message.text).slice(0, 4096),
        color: COLOURS[message.tone],
        fields: message.facts.map(([name, value]) => ({ name, value: markdown(value).slice(0, 1024), inline: true })),
      },
    ],
    // Nobody is pinged, whatever the text says.
    allowed_mentions: { parse: [] },
  }),
  teams: (message) => ({
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [
            { type: 'TextBlock', text: markdown(message.title), weight: 'bolder', size: 'medium', wrap: true, color: message.tone === 'bad' ? 'attention' : message.tone === 'good' ? 'good' : 'default' },
            ...(message.text === '' ? [] : [{ type: 'TextBlock', text: markdown(message.text).replaceAll('\n', '\n\n'), wrap: true }]),
            { type: 'FactSet', facts: message.facts.map(([title, value]) => ({ title, value: markdown(value) })) },
          ],
          actions: [{ type: 'Action.OpenUrl', title: 'Open', url: message.url }],
        },
      },
    ],
  }),
  mattermost: (message) => ({
    text: [`**[${quiet(markdown(message.title))}](${message.url})**`, quiet(markdown(message.text)), quiet(markdown(factLine(message)))].filter((line) => line !== '').join('\n'),
  }),
  'rocket-chat': (message) => ({
    text: quiet(markdown(message.title)),
    attachments: [{ title: 'Open', title_link: message.url, text: [quiet(markdown(message.text)), quiet(markdown(factLine(message)))].filter((line) => line !== '').join('\n'), color: `#${COLOURS[message.tone].toString(16).padStart(6, '0')}` }],
  }),
};

const COLOURS = { good: 0x2e7d32, bad: 0xc62828, plain: 0x546e7a } as const;

function factLine({ facts }: Message): string {
  return facts.map(([name, value]) => `${name}: ${value}`).join(' · ');
}

/** Slack's three: with them escaped neither links nor `<!channel>` come about. Its other marks change looks only. */
function slack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function markdown(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+!|~<>]/g, (mark) => `\\${mark}`);
}

/** `@channel`, `@all` and `@here` are words here: a character of no width stands after the sign. */
function quiet(text: string): string {
  return text.replaceAll('@', '@\u200b');
}

/** The engine's log stream into lines. With a terminal it is plain bytes, else frames of 8 bytes head and a body. */
import { StringDecoder } from 'node:string_decoder';
import type { LogLine } from '../core/engine.ts';

/** Longer lines are cut: a program that never ends its line must not fill the agent's memory. */
const LONGEST_LINE = 8192;

interface Frame {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

/** Splits multiplexed chunks into frames; a frame may be spread over chunks, and a big one is handed on in parts. */
async function* frames(chunks: AsyncIterable<Buffer>): AsyncIterable<Frame> {
  let head = Buffer.alloc(0);
  let left = 0;
  let stream: Frame['stream'] = 'stdout';
  for await (let chunk of chunks) {
    while (chunk.length > 0) {
      if (left === 0) {
        const used = Math.min(8 - head.length, chunk.length);
        head = Buffer.concat([head, chunk.subarray(0, used)]);
        chunk = chunk.subarray(used);
        if (head.length < 8) continue;
        stream = head[0] === 2 ? 'stderr' : 'stdout';
        left = head.readUInt32BE(4);
        head = Buffer.alloc(0);
        continue;
      }
      const bytes = chunk.subarray(0, left);
      left -= bytes.length;
      chunk = chunk.subarray(bytes.length);
      yield { stream, bytes };
    }
  }
}

async function* plain(chunks: AsyncIterable<Buffer>): AsyncIterable<Frame> {
  for await (const bytes of chunks) yield { stream: 'stdout', bytes };
}

/** Lines with the time that the engine put before each (`timestamps: true`). Pulls only when asked: that is the back-pressure. */
export async function* logLines(chunks: AsyncIterable<Buffer>, tty: boolean): AsyncIterable<LogLine> {
  const open = { stdout: new OpenLine(), stderr: new OpenLine() };
  for await (const { stream, bytes } of tty ? plain(chunks) : frames(chunks)) {
    for (const text of open[stream].push(bytes)) yield line(stream, text);
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const rest = open[stream].rest();
    if (rest !== '') yield line(stream, rest);
  }
}

/** What a probe or a command printed, both streams together, at most `limit` characters. */
export async function outputOf(chunks: AsyncIterable<Buffer>, tty: boolean, limit: number): Promise<string> {
  const decoder = new StringDecoder('utf8');
  let text = '';
  for await (const { bytes } of tty ? plain(chunks) : frames(chunks)) {
    if (text.length < limit) text += decoder.write(bytes);
  }
  return text.slice(0, limit).trim();
}

class OpenLine {
  readonly #decoder = new StringDecoder('utf8');
  #text = '';

  push(bytes: Buffer): string[] {
    const parts = this.#decoder.write(bytes).split('\n');
    const last = parts.pop() ?? '';
    const lines = parts.map((part, index) => (index === 0 ? this.#text + part : part));
    this.#text = lines.length > 0 ? last : this.#text + last;
    // One character more than shown says that there was more.
    if (this.#text.length > LONGEST_LINE) this.#text = this.#text.slice(0, LONGEST_LINE + 1);
    return lines;
  }

  rest(): string {
    return this.#text;
  }
}

function line(stream: LogLine['stream'], raw: string): LogLine {
  const space = raw.indexOf(' ');
  const at = new Date(raw.slice(0, space));
  const stamped = space > 0 && !Number.isNaN(at.getTime());
  const text = (stamped ? raw.slice(space + 1) : raw).replace(/\r$/, '');
  return { at: stamped ? at : new Date(), stream, text: text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}…` : text };
}

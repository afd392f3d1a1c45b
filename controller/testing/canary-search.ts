/** For R27: everything that left a process, by where, and a search through it for secrets in every spelling that programs use. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { AgentMessage, ControllerMessage, LogChunk } from '../../proto/gen/agent/v1/agent.ts';

export class CanarySearch {
  readonly #heard = new Map<string, string[]>();

  hear(where: string, text: string): void {
    const all = this.#heard.get(where) ?? [];
    all.push(text);
    this.#heard.set(where, all);
  }

  /** What was heard at a place. */
  at(where: string): string {
    return (this.#heard.get(where) ?? []).join('\n');
  }

  /** Messages between controller and agents, as the controller reads and writes them; both may be in this process. Gives what ends it. */
  hearFrames(): () => void {
    const kept = { message: AgentMessage.decode, chunk: LogChunk.decode, told: ControllerMessage.encode };
    const note = (where: string, input: unknown): void => {
      if (input instanceof Uint8Array) this.hear(where, Buffer.from(input).toString('utf8'));
    };
    AgentMessage.decode = (input, length) => (note('frames of the agent', input), kept.message.call(AgentMessage, input, length));
    LogChunk.decode = (input, length) => (note('frames of the agent', input), kept.chunk.call(LogChunk, input, length));
    ControllerMessage.encode = (message, writer) => (note('frames of the controller', kept.told.call(ControllerMessage, message).finish()), kept.told.call(ControllerMessage, message, writer));
    return () => {
      AgentMessage.decode = kept.message;
      LogChunk.decode = kept.chunk;
      ControllerMessage.encode = kept.told;
    };
  }

  /** A page or an answer, with its status and headers. */
  async hearAnswer(where: string, response: Response): Promise<string> {
    const text = await response.text();
    this.hear(where, `${new URL(response.url).pathname} ${response.status} ${JSON.stringify([...response.headers])} ${text}`);
    return text;
  }

  /** Every column of every row. */
  async hearRows(url: string): Promise<void> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      const tables = await client.query<{ name: string }>("select quote_ident(table_schema) || '.' || quote_ident(table_name) as name from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')");
      if (tables.rows.length < 10) throw new Error('these are not all tables');
      for (const { name } of tables.rows) this.hear('rows', (await client.query<{ row: string }>(`select coalesce(json_agg(t)::text, '') as row from ${name} t`)).rows.map(({ row }) => `${name}: ${row}`).join());
    } finally {
      await client.end();
    }
  }

  /** Files below a directory; `except`: where secrets are kept on purpose. */
  hearFiles(where: string, directory: string, except: RegExp): void {
    for (const path of everyFile(directory)) if (!except.test(path)) this.hear(where, `${path}\n${readFileSync(path).toString('latin1')}`);
  }

  /** `name in place: spelling`, for each secret that was heard anywhere. Throws for a place where next to nothing was heard. */
  find(secrets: Readonly<Record<string, string>>, places: readonly string[]): string[] {
    for (const where of places) if (this.at(where).length < 500) throw new Error(`too little was heard at "${where}" to be sure: ${this.at(where)}`);
    for (const [name, value] of Object.entries(secrets)) if (value.length < 8) throw new Error(`the secret ${name} is too short to be looked for`);
    return [...this.#heard].flatMap(([where, all]) =>
      Object.entries(secrets).flatMap(([name, value]) => spellings(value).filter((one) => all.some((text) => text.includes(one))).map((one) => `${name} in ${where}: ${one.slice(0, 30)}`)),
    );
  }
}

/** As it is, line by line, and as programs write it: JSON, addresses, markup, Base64 at each of the three places, hexadecimal (`bytea`). */
function spellings(value: string): string[] {
  const lines = value.split('\n');
  const base64 = (line: string, before: number): string => Buffer.from(`${'x'.repeat(before)}${line}`).toString('base64').replace(/=+$/, '').slice(before === 0 ? 0 : before + 1, -2);
  return [...new Set(lines.flatMap((line) => [
    line,
    JSON.stringify(line).slice(1, -1),
    encodeURIComponent(line),
    line.replaceAll('&', '&amp;').replaceAll('"', '&quot;'),
    ...[0, 1, 2].map((before) => base64(line, before)),
    Buffer.from(line).toString('base64url').slice(0, -2),
    Buffer.from(line).toString('hex'),
  ]))];
}

export function everyFile(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/**
 * What commands that ask the controller share: where it is, the token, deadlines, exit codes and how answers are printed.
 * Exit codes (SPEC §5): 0 fine, 1 problems found, 2 wrong use, 3 could not reach something.
 */
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { explainError, TagboatError } from '../errors.ts';

/** Where a command reads and writes; tests give their own. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  out(text: string): void;
  err(text: string): void;
  /** Of standard output where it is a terminal; undefined where it is not. */
  readonly terminal?: { readonly columns: number; readonly colours: boolean } | undefined;
  exit(code: number): void;
}

/** The process itself. The exit code is set, not forced, so that everything is still written out. */
export const processIo: CliIo = {
  env: process.env,
  directory: process.cwd(),
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  get terminal() {
    // A terminal that nobody gave a size (a pseudo-terminal of a program) says 0; nothing is fitted into that.
    return process.stdout.isTTY ? { columns: process.stdout.columns || Number.POSITIVE_INFINITY, colours: wantsColours(process.env) } : undefined;
  },
  exit: (code) => {
    process.exitCode = code;
  },
};

export interface ClientFlags {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
}

export type Format = 'text' | 'json';

const DEFAULT_URL = 'http://127.0.0.1:8080';
const DEADLINE_MS = 15_000;
/** Of a stream of lines. */
const MAX_LINE = 1024 * 1024;
/** An answer larger than this is not ours. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Colours are for terminals that have them, and for nobody who said NO_COLOR. */
export function wantsColours(env: Readonly<Record<string, string | undefined>>): boolean {
  return (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}

/** `--log-level`, with the levels that the configuration of the controller knows. */
export function logLevelOption(level: string): Option {
  return new Option('--log-level <level>', 'how much is told').choices(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default(level);
}

/** Adds `--url` and `--token`. */
export function withClientFlags(command: Command): Command {
  return command
    .option('--url <url>', `address of the controller (TAGBOAT_URL; ${DEFAULT_URL})`)
    .option('--token <token>', 'access token (TAGBOAT_TOKEN; else .tagboat/operator.token in this directory)');
}

/** Runs the body of a command; its number is the exit code, errors are explained on stderr. */
export async function runCommand(io: CliIo, body: () => Promise<number>): Promise<void> {
  try {
    io.exit(await body());
  } catch (error) {
    io.err(`${explainError(error)}\n`);
    io.exit(exitCodeOf(error));
  }
}

function exitCodeOf(error: unknown): 1 | 2 | 3 {
  if (!(error instanceof TagboatError)) return 1;
  switch (error.code) {
    case 'AgentUnreachable':
    case 'ControllerUnreachable':
    case 'DatabaseUnreachable':
    case 'Timeout':
      return 3;
    case 'UsageError':
    case 'ConfigInvalid':
    case 'Unauthorized':
    case 'Forbidden':
      return 2;
    default:
      return 1;
  }
}

/** The controller, as a command line sees it. */
export class ControllerClient {
  readonly #url: string;
  #token: string | undefined;
  /** The token is that of whichever controller has its data in this directory, perhaps not of the one that is asked. */
  readonly #guessed: boolean;

  private constructor(url: string, token: string | undefined, guessed: boolean) {
    this.#url = url;
    this.#token = token;
    this.#guessed = guessed;
  }

  /** Flags win over the environment; without a token the file of a controller in this directory is tried. */
  static async find(flags: ClientFlags, io: CliIo): Promise<ControllerClient> {
    const url = (flags.url ?? io.env['TAGBOAT_URL'] ?? '') || DEFAULT_URL;
    if (!/^https?:\/\/[^\s/]/.test(url) || !URL.canParse(url)) throw new TagboatError('UsageError', `${url} is no address of a controller`, { hint: `It looks like ${DEFAULT_URL}.` });
    const given = flags.token ?? io.env['TAGBOAT_TOKEN'];
    // The file belongs to a controller on this machine; it is never sent to another one by itself.
    const token = given || (isLoopback(url) ? await readFile(join(io.directory, '.tagboat', 'operator.token'), 'utf8').catch(() => undefined) : undefined);
    return new ControllerClient(url.replace(/\/+$/, ''), token?.trim(), !given);
  }

  async get<T>(path: string, shape: z.ZodType<T, z.ZodTypeDef, unknown>): Promise<T> {
    return this.#parse(await this.#ask('GET', path), shape);
  }

  /** `body` goes as JSON. */
  async post<T>(path: string, shape: z.ZodType<T, z.ZodTypeDef, unknown>, body?: unknown): Promise<T> {
    return this.#parse(await this.#ask('POST', path, body), shape);
  }

  /** Lines of JSON as they come, until the answer or the signal ends. The first of them has a deadline, a stream has none. */
  async *lines<T>(path: string, shape: z.ZodType<T, z.ZodTypeDef, unknown>, signal: AbortSignal): AsyncGenerator<T> {
    const response = await this.#send('GET', path, 'application/x-ndjson', undefined, signal);
    if (!response.ok) throw this.#failure(response.status, await boundedText(response).catch(() => ''));
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const part of response.body ?? []) {
        const lines = (rest + decoder.decode(part as Uint8Array, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > MAX_LINE) throw new Error('a line is too long');
        for (const line of lines) yield this.#parse(parseJson(line), shape);
      }
    } catch (cause) {
      if (signal.aborted) return;
      if (cause instanceof TagboatError) throw cause;
      throw this.#unreachable(cause);
    }
  }

  #parse<T>(body: unknown, shape: z.ZodType<T, z.ZodTypeDef, unknown>): T {
    const parsed = shape.safeParse(body);
    if (!parsed.success) throw new TagboatError('Internal', `${this.#url} answers, but not as this release of Tagboat expects`, { cause: parsed.error, hint: 'Use a command line of the same release as the controller.' });
    return parsed.data;
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const response = await this.#send(method, path, 'application/json', body, signal);
    let text: string;
    try {
      text = await boundedText(response);
    } catch (cause) {
      throw this.#unreachable(cause);
    }
    if (!response.ok) throw this.#failure(response.status, text);
    return text === '' ? undefined : parseJson(text);
  }

  async #send(method: string, path: string, accept: string, body: unknown, signal: AbortSignal): Promise<Response> {
    const response = await this.#sendOnce(method, path, accept, body, signal);
    if (response.status !== 401 || !this.#guessed || this.#token === undefined) return response;
    // Another controller than the one of this directory: it may be one that everybody may read.
    await response.body?.cancel();
    this.#token = undefined;
    return this.#sendOnce(method, path, accept, body, signal);
  }

  async #sendOnce(method: string, path: string, accept: string, body: unknown, signal: AbortSignal): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException('no answer', 'TimeoutError')), DEADLINE_MS);
    try {
      return await fetch(`${this.#url}/api/v1${path}`, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        redirect: 'error', // a token must not travel on to another host
        headers: { accept, ...(body !== undefined && { 'content-type': 'application/json' }), 'x-tagboat-user': userName(), ...(this.#token !== undefined && this.#token !== '' && { authorization: `Bearer ${this.#token}` }) },
        signal: AbortSignal.any([signal, late.signal]),
      });
    } catch (cause) {
      throw this.#unreachable(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #unreachable(cause: unknown): TagboatError {
    return new TagboatError('ControllerUnreachable', `the controller at ${this.#url} cannot be reached (${reasonOf(cause)})`, { cause });
  }

  #failure(status: number, text: string): TagboatError {
    const told = errorShape.safeParse(parseJson(text));
    const { code, message, hint } = told.success ? told.data.error : { code: '', message: `${this.#url} answers with status ${String(status)}`, hint: 'Check the address.' };
    if (status === 401) return new TagboatError('Unauthorized', message, { hint: 'Set TAGBOAT_TOKEN or pass --token; the operator\'s token is in the file operator.token of the controller\'s data directory.' });
    if (status === 403) return new TagboatError('Forbidden', message, { hint });
    if (status === 404) return new TagboatError(code === 'NodeUnknown' ? 'NodeUnknown' : 'NotFound', message, { hint });
    if (status === 409) return new TagboatError('Conflict', message, { hint });
    if (status === 400) return new TagboatError('UsageError', message, { hint });
    if (status >= 500) return new TagboatError('ControllerUnreachable', message, { hint });
    return new TagboatError('Internal', message, { hint });
  }
}

const errorShape = z.object({ error: z.object({ code: z.string(), message: z.string(), hint: z.string() }) });
const teamNames = z.array(z.object({ name: z.string() }));

/** The teams that a command is about: the one that was named, else all that the caller may see. */
export async function chooseTeams(client: ControllerClient, named: string | undefined): Promise<readonly string[]> {
  if (named !== undefined) return [named];
  return (await client.get('/teams', teamNames)).map(({ name }) => name);
}

/** For commands that need exactly one. */
export async function chooseTeam(client: ControllerClient, named: string | undefined): Promise<string> {
  const teams = await chooseTeams(client, named);
  if (teams.length === 1 && teams[0] !== undefined) return teams[0];
  throw new TagboatError('UsageError', teams.length === 0 ? 'the controller has no team that you may see' : `there are several teams: ${teams.join(', ')}`, { hint: 'Name one with --team.' });
}

/** `text` or `json`, or `UsageError`. */
export function formatOf(text: string | undefined): Format {
  if (text === undefined || text === 'text') return 'text';
  if (text === 'json') return 'json';
  throw new TagboatError('UsageError', `the format ${text} is not known`, { hint: 'Use text or json.' });
}

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    const bytes = part as Uint8Array;
    size += bytes.byteLength;
    if (size > MAX_BYTES) throw new Error('the answer is too large');
    parts.push(bytes);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return `no answer within ${String(DEADLINE_MS / 1_000)} s`;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code;
  return cause instanceof Error ? cause.message : String(cause);
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

function userName(): string {
  try {
    return userInfo().username.replaceAll(/[^A-Za-z0-9._@-]/g, '-').slice(0, 64);
  } catch {
    return ''; // a user id without a name, as in containers
  }
}

/** The process log: pino, one JSON object a line (or short lines for people), scrubbed in one place (R27). */
import { pino } from 'pino';
import type { Logger } from 'pino';
import { scrub } from './scrub.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  /** pino's level, e.g. `info`; `silent` writes nothing. */
  readonly level?: string;
  /** Short lines for people instead of JSON. */
  readonly pretty?: boolean;
  /** Where lines go; by default stderr, so that stdout stays the answer of a command. */
  readonly write?: (line: string) => void;
  /** Secrets known by value that must never appear. */
  readonly secrets?: readonly string[];
}

const HIDDEN_KEYS = ['password', 'passphrase', 'secret', 'token', 'authorization', 'cookie', 'privateKey'];

/** Makes the logger. Every line passes `scrub`, whatever put the text there (message, field, error, stack). */
export function createLogger(options: LoggerOptions = {}): Logger {
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const secrets = options.secrets ?? [];
  const pretty = options.pretty ?? false;
  return pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // pino's `err` convention, for `error` and `cause` as well.
      serializers: { err: pino.stdSerializers.errWithCause, error: pino.stdSerializers.errWithCause, cause: pino.stdSerializers.errWithCause },
      redact: { paths: [...HIDDEN_KEYS, ...HIDDEN_KEYS.map((key) => `*.${key}`)], censor: '***' },
    },
    { write: (line: string) => write(scrub(pretty ? prettyLine(line) : line, secrets)) },
  );
}

/** A logger that says nothing; for tests and one-shot commands. */
export function silentLogger(): Logger {
  return createLogger({ level: 'silent' });
}

function prettyLine(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries(rest).map(([key, value]) => `${key}=${prettyValue(value)}`);
  return [String(time).slice(11, 19), String(level).toUpperCase().padEnd(5), typeof msg === 'string' ? msg : '', ...fields].join(' ').trimEnd() + '\n';
}

function prettyValue(value: unknown): string {
  if (typeof value === 'string') return /[\s"=]/.test(value) ? JSON.stringify(value) : value;
  if (typeof value === 'object' && value !== null && 'message' in value) return JSON.stringify(value.message);
  return JSON.stringify(value);
}

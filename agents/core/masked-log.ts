import type { AgentLog } from './link.ts';
import type { Secrets } from './secrets.ts';

/** A log in which every secret that the agent opened is masked, errors and their stacks included (R27). */
export function maskedLog(log: AgentLog, secrets: Secrets): AgentLog {
  const clean = (fields: object): object => secrets.scrub(Object.fromEntries(Object.entries(fields).map(([key, value]: [string, unknown]) => [key, value instanceof Error ? withoutSecrets(value, secrets) : value])));
  return {
    info: (fields, text) => log.info(clean(fields), secrets.scrub(text)),
    warn: (fields, text) => log.warn(clean(fields), secrets.scrub(text)),
  };
}

/** A new error in place of a changed one: whoever holds the other still has to compare its message. */
function withoutSecrets(error: Error, secrets: Secrets): Error {
  const copy = new Error(secrets.scrub(error.message));
  copy.name = error.name;
  copy.stack = secrets.scrub(error.stack ?? '');
  return 'code' in error ? Object.assign(copy, { code: error.code }) : copy;
}

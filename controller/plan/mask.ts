/** Secrets in what is shown: a digest of their ciphertext stands for them, and nothing else (R27). */
import { hashOf } from '../model/canonical.ts';

/** Below these keys every text is a secret's. */
const SECRET_KEYS: ReadonlySet<string> = new Set(['secrets', 'sealed', 'credentials']);
/** What stands beside a ciphertext and is none. */
const PLAIN_KEYS: ReadonlySet<string> = new Set(['file', 'mode']);
const MASKED = /^sealed [0-9a-f]{12}$/;

/** The value with every secret in it as `sealed <digest>`. Masking twice changes nothing, so that masked values compare like clear ones. */
export function maskSecrets<T>(value: T): T {
  return mask(value, false) as T;
}

/** One line for a value that is a secret or holds nothing but secrets. */
export function maskWhole(value: unknown): string {
  const inner = mask(value, true);
  return typeof inner === 'string' ? inner : `sealed ${hashOf(inner).slice(0, 12)}`;
}

function mask(value: unknown, secret: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => mask(item, secret));
  if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, PLAIN_KEYS.has(key) && typeof inner === 'string' ? inner : mask(inner, secret || SECRET_KEYS.has(key))]));
  return secret && typeof value === 'string' && !MASKED.test(value) ? `sealed ${hashOf(value).slice(0, 12)}` : value;
}

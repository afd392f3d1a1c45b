const UNIT = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of `500ms`, `30s`, `5m`, `1h`; the fallback (also a duration) where nothing is said. */
export function milliseconds(text: string | undefined, fallback: string): number {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text ?? fallback) ?? /^(\d{1,9})(ms|s|m|h)$/.exec(fallback);
  if (match?.[1] === undefined) throw new RangeError(`not a duration: ${fallback}`);
  return Number(match[1]) * UNIT[match[2] as keyof typeof UNIT];
}

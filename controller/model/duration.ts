/** Durations as manifests write them: `500ms`, `30s`, `5m`, `1h`. */
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds. The schemas let nothing else through; throws RangeError for text that is no duration. */
export function parseDuration(text: string): number {
  const match = /^([0-9]{1,9})(ms|s|m|h)$/.exec(text);
  if (match === null) throw new RangeError('a duration is a whole number and ms, s, m or h, for example 30s');
  return Number(match[1]) * (UNITS[match[2] as string] as number);
}

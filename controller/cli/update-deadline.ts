/** Of `--update-deadline`, in milliseconds; undefined for what is no such duration. */
export function updateDeadlineMs(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,6})(s|m)$/.exec(text) ?? [];
  return count === '' ? undefined : Number(count) * (unit === 'm' ? 60_000 : 1_000);
}

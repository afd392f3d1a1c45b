const SUFFIX: Readonly<Record<string, number>> = {
  '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

/** The number that a Kubernetes quantity stands for: `500m` is 0.5, `256Mi` is 268435456. */
export function quantity(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/.exec(text);
  const factor = SUFFIX[match?.[2] ?? ''];
  if (match?.[1] === undefined || factor === undefined) throw new RangeError(`not a quantity: ${text}`);
  return Number(match[1]) * factor;
}

/** What PostgreSQL can keep of a text. Whoever takes texts from outside (agents, Git) passes them through here, once, at the door. */

/** Without what no row can hold: NUL and half surrogate pairs become U+FFFD. */
export function storable(text: string): string {
  return isStorable(text) ? text : text.replaceAll(/[\0\p{Cs}]/gu, '\uFFFD');
}

export function isStorable(text: string): boolean {
  return !/[\0\p{Cs}]/u.test(text);
}

/** The same for every text of a message, however deep; what is no plain object or list stays as it is. */
export function storableTexts<T>(value: T): T {
  if (typeof value === 'string') return storable(value) as T & string;
  if (Array.isArray(value)) return value.map((one: unknown) => storableTexts(one)) as T & unknown[];
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]: [string, unknown]) => [key, storableTexts(one)])) as T & object;
}

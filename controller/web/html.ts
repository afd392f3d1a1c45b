/** HTML by tagged templates. Whatever is put in is escaped, unless it is `Html` already; there is no other way in. */

/** Markup that is safe to send. */
export class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
  toString(): string {
    return this.markup;
  }
}

export type HtmlValue = string | number | Html | null | undefined | false | readonly HtmlValue[];

/** Use it for text and for attribute values between quotes; never for tag names, attribute names, styles or scripts. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(strings.reduce((result, string, index) => `${result}${render(values[index - 1])}${string}`));
}

function render(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Html) return value.markup;
  if (typeof value === 'object') return value.map(render).join('');
  return String(value).replaceAll(/[&<>"'`]/g, (character) => `&#${String(character.charCodeAt(0))};`);
}

/** The address of a page: every segment is encoded. */
export function href(...segments: readonly string[]): string {
  return `/${segments.map(encodeURIComponent).join('/')}`;
}

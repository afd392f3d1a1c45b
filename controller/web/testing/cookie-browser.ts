/** As much of a browser as sign-in needs: cookies, redirects that are followed by hand, forms. */

export class CookieBrowser {
  readonly cookies = new Map<string, string>();
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  /** `path` may be a whole address of another host. */
  async get(path: string, accept = 'text/html,application/xhtml+xml,*/*;q=0.8'): Promise<Response> {
    return this.#send(path, { headers: { accept } });
  }

  async post(path: string, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.#send(path, { method: 'POST', headers: { accept: 'text/html', ...headers }, body: new URLSearchParams(fields) });
  }

  /** The page at the end of the redirects. */
  async follow(path: string): Promise<string> {
    let response = await this.get(path);
    for (let hops = 0; hops < 10 && response.status >= 300 && response.status < 400; hops++) response = await this.get(response.headers.get('location') ?? '');
    return response.text();
  }

  /** Sends the form of a page that goes to `action`, with its hidden fields. */
  async submit(page: string, action: string, fields: Readonly<Record<string, string>>): Promise<Response> {
    const form = page.split('<form').find((part) => part.includes(`action="${action}"`)) ?? '';
    const hidden = [...form.split('</form>')[0]!.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [name ?? '', unescape(value ?? '')] as const);
    return this.post(action, { ...Object.fromEntries(hidden), ...fields });
  }

  field(page: string, name: string): string {
    return unescape(new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? '');
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const url = new URL(path, this.#url);
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...init, redirect: 'manual', headers: { ...this.#headers, ...(cookie !== '' && { cookie }), ...(init.headers as Record<string, string>) }, signal: AbortSignal.timeout(60_000) });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      if (/Expires=Thu, 01 Jan 1970/.test(line)) this.cookies.delete(pair.slice(0, at));
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  }
}

function unescape(text: string): string {
  return text.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
}

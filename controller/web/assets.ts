/** The three files that pages need. Their addresses change with their content, so browsers may keep them. */
import type { AccessOptions } from './access.ts';
import { LIVE_SCRIPT } from './live-script.ts';
import { LOGO } from './logo.ts';
import { Routes } from './routes.ts';
import { STYLE } from './style-sheet.ts';

const FILES = [
  ['/tagboat.css', 'text/css; charset=utf-8', STYLE, 'public, max-age=31536000, immutable'],
  ['/live.js', 'text/javascript; charset=utf-8', LIVE_SCRIPT, 'public, max-age=31536000, immutable'],
  ['/tagboat.svg', 'image/svg+xml', LOGO, 'public, max-age=86400'],
] as const;

export function assetRoutes(access: AccessOptions): Routes {
  const routes = new Routes(access, '/assets');
  for (const [path, type, text, cache] of FILES) {
    routes.get(path, 'anybody', (_request, response) => {
      response.set('Cache-Control', cache).type(type).send(text);
    });
  }
  return routes;
}

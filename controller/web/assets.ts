/** The three files that pages need. Their addresses change with their content, so browsers may keep them. */
import { Router } from 'express';
import { LIVE_SCRIPT } from './live-script.ts';
import { LOGO } from './logo.ts';
import { STYLE } from './style-sheet.ts';

const FILES = [
  ['/tagboat.css', 'text/css; charset=utf-8', STYLE, 'public, max-age=31536000, immutable'],
  ['/live.js', 'text/javascript; charset=utf-8', LIVE_SCRIPT, 'public, max-age=31536000, immutable'],
  ['/tagboat.svg', 'image/svg+xml', LOGO, 'public, max-age=86400'],
] as const;

export function assetRouter(): Router {
  const router = Router();
  for (const [path, type, text, cache] of FILES) {
    router.get(path, (_request, response) => {
      response.set('Cache-Control', cache).type(type).send(text);
    });
  }
  return router;
}

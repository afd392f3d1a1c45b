/** The one style sheet. Text in modules, so that it is there however Tagboat is installed. */
import { createHash } from 'node:crypto';
import { FRAME_STYLE } from './style/frame.ts';
import { PARTS_STYLE } from './style/parts.ts';
import { SIGN_IN_STYLE } from './style/sign-in.ts';

export const STYLE = `${FRAME_STYLE}${PARTS_STYLE}${SIGN_IN_STYLE}`;

export const STYLE_URL = `/assets/tagboat.css?v=${createHash('sha256').update(STYLE).digest('hex').slice(0, 12)}`;

/** Errors as answers: JSON for programs, a page for people, the same code and hint in both (SPEC §6). */
import { STATUS_CODES } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import { TagboatError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { isConnectionLoss } from '../store/retry.ts';
import { errorPage } from './pages/error-page.ts';
import { signInAddress } from './safe-next.ts';
import type { WebError } from './pages/error-page.ts';

const STATUS: Partial<Record<ErrorCode, number>> = {
  UsageError: 400,
  Unauthorized: 401,
  Forbidden: 403,
  SignInRefused: 403,
  ProviderUnreachable: 503,
  Conflict: 409,
  TooManyAttempts: 429,
  EnrolmentRefused: 409,
  NodeRevoked: 409,
  NotFound: 404,
  MethodNotAllowed: 405,
  MediaTypeUnsupported: 415,
  NodeUnknown: 404,
  Timeout: 503,
  AgentUnreachable: 503,
  Busy: 503,
  DatabaseUnreachable: 503,
};

/** By the `type` of the body readers' errors. */
const BODY_FAULTS: Readonly<Record<string, { readonly message: string; readonly hint: string }>> = {
  'entity.parse.failed': { message: 'the body cannot be read', hint: 'Send well-formed JSON (or a form, where a form is asked for).' },
  'entity.too.large': { message: 'the body is too large', hint: 'Send less.' },
  'encoding.unsupported': { message: 'the encoding of the body is not known', hint: 'Send it plain or with gzip.' },
  'charset.unsupported': { message: 'the character set of the body is not known', hint: 'Send UTF-8.' },
};

/** What may be told outside. An error that nobody foresaw is told by its status only; the log has the rest. */
export function webErrorOf(error: unknown): WebError {
  if (error instanceof TagboatError && STATUS[error.code] !== undefined) {
    return { status: STATUS[error.code] ?? 500, code: error.code, message: error.message, hint: error.hint };
  }
  if (isConnectionLoss(error)) {
    const known = new TagboatError('DatabaseUnreachable', 'the database does not answer');
    return { status: 503, code: known.code, message: known.message, hint: known.hint };
  }
  // What Express and its readers of bodies refuse by themselves, such as a path that is not well encoded.
  const { status = 500, type = '' } = (typeof error === 'object' && error !== null ? error : {}) as { readonly status?: number; readonly type?: string };
  if (status >= 400 && status < 500) {
    const { message, hint } = BODY_FAULTS[type] ?? { message: `the request is not well formed (${STATUS_CODES[status] ?? 'refused'})`, hint: 'Check the address.' };
    return { status, code: 'UsageError', message, hint };
  }
  const internal = new TagboatError('Internal', 'the request failed inside the controller');
  return { status: 500, code: internal.code, message: internal.message, hint: internal.hint };
}

/** The last handler of the app. */
export function errorHandler(log: Logger, version: string) {
  return (error: unknown, request: Request, response: Response, _next: NextFunction): void => {
    const answer = webErrorOf(error);
    if (answer.status >= 500) log.error({ err: error, method: request.method, path: request.path }, 'a request failed');
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // People who may not read yet are asked who they are, and come back (SPEC §5). A program gets its status.
    if (answer.code === 'Unauthorized' && request.method === 'GET' && request.get('authorization') === undefined && wantsPage(request)) {
      response.redirect(303, signInAddress(request.originalUrl));
      return;
    }
    if (answer.status === 429) response.set('Retry-After', '300');
    sendError(request, response, answer, version);
  };
}

export function sendError(request: Request, response: Response, answer: WebError, version: string): void {
  response.status(answer.status).set('Cache-Control', 'no-store');
  if (wantsPage(request)) response.type('html').send(errorPage(answer, version).markup);
  else response.json({ error: { code: answer.code, message: answer.message, hint: answer.hint } });
}

/** People's browsers ask for HTML; the API answers JSON to everybody. */
function wantsPage(request: Request): boolean {
  return !/^\/(api|metrics|healthz|readyz|schemas)(\/|$)/.test(request.path) && request.accepts(['json', 'html']) === 'html';
}

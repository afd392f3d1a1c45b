/** Every answer has a deadline, but for those that are meant to go on (open-stream.ts). */
import type { NextFunction, Request, Response } from 'express';
import { TagboatError } from '../errors.ts';
import { sendError, webErrorOf } from './web-errors.ts';

const KEY = 'deadline';

export function deadline(version: string, milliseconds: number) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const timer = setTimeout(() => {
      if (response.headersSent) response.destroy();
      else sendError(request, response, webErrorOf(new TagboatError('Timeout', 'the controller did not answer in time')), version);
    }, milliseconds);
    response.locals[KEY] = timer;
    response.on('close', () => clearTimeout(timer));
    next();
  };
}

/** Takes the deadline off an answer that has bounds of its own. */
export function keepOpen(response: Response): void {
  clearTimeout(response.locals[KEY] as NodeJS.Timeout | undefined);
}

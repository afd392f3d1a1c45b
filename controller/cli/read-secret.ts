/** A value from standard input: piped, or typed without an echo. */
import { StringDecoder } from 'node:string_decoder';
import { LARGEST_SECRET_BYTES } from '../../proto/sealed.ts';
import { TagboatError } from '../errors.ts';
import type { CliIo } from './client.ts';

export interface SecretInput extends AsyncIterable<Buffer | string> {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

const ENTER = ['\r', '\n', '\u0004'];
const INTERRUPT = '\u0003';
const ERASE = ['\b', '\u007f'];

/** One line break at the end is not part of the value; `echo` and editors put it there. */
export async function readSecret(input: SecretInput, io: Pick<CliIo, 'err'>): Promise<Buffer> {
  if (input.isTTY === true) return typed(input, io);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    size += chunk.length;
    if (size > LARGEST_SECRET_BYTES + 2) throw new TagboatError('UsageError', `the value is longer than ${LARGEST_SECRET_BYTES} bytes`);
    chunks.push(Buffer.from(chunk));
  }
  const value = Buffer.concat(chunks);
  const end = value.at(-1) === 0x0a ? (value.at(-2) === 0x0d ? 2 : 1) : 0;
  return value.subarray(0, value.length - end);
}

async function typed(input: SecretInput, io: Pick<CliIo, 'err'>): Promise<Buffer> {
  io.err('Value (not shown): ');
  input.setRawMode?.(true);
  const decoder = new StringDecoder('utf8');
  let text = '';
  try {
    for await (const chunk of input) {
      for (const character of decoder.write(Buffer.from(chunk))) {
        if (character === INTERRUPT) throw new TagboatError('UsageError', 'stopped; nothing was sealed');
        if (ENTER.includes(character)) return Buffer.from(text);
        text = ERASE.includes(character) ? text.slice(0, -1) : text + character;
      }
    }
    return Buffer.from(text);
  } finally {
    input.setRawMode?.(false);
    io.err('\n');
  }
}

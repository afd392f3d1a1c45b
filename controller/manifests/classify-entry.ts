/** Decides for an entry of a tree, by name and mode alone, whether it is read. */
import type { Problem, ProblemCode } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { MANIFEST_LIMITS } from './limits.ts';

/** File modes of Git: file, executable, link, submodule. */
export type EntryMode = '100644' | '100755' | '120000' | '160000';

export type EntryClass =
  | { readonly decision: 'read' }
  | { readonly decision: 'ignore' }
  | { readonly decision: 'problem'; readonly problem: Problem };

const IGNORE: EntryClass = { decision: 'ignore' };
const READ: EntryClass = { decision: 'read' };
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f\u0080-\u009f\u202a-\u202e\u2066-\u2069]/;

/** `size` in bytes where the source knows it before reading. */
export function classifyEntry(path: string, mode: EntryMode, size?: number): EntryClass {
  const steps = path.split('/');
  const isYaml = /\.ya?ml$/.test(path);
  const unsafe = path.length > MANIFEST_LIMITS.pathLength || CONTROL.test(path) || path.includes('\\') || steps.some((step) => step === '..' || step === '.' || step === '');
  if (unsafe) return isYaml || steps.includes('..') ? refuse('UnsafePath', visible(path), 'the path is not safe to read') : IGNORE;
  if (steps.some((step) => step.startsWith('.'))) return IGNORE;
  if (mode === '160000') return refuse('SubmoduleIgnored', path, 'the submodule is not read', 'warning');
  if (mode === '120000') {
    // A link in place of a manifest hides it, which must not look like a removal (R20); other links hide nothing of ours.
    if (isYaml) return refuse('SymlinkIgnored', path, 'the file is a symbolic link');
    return /\.[^/]*$/.test(path) ? IGNORE : refuse('SymlinkIgnored', path, 'the symbolic link is not followed', 'warning');
  }
  if (!isYaml) return IGNORE;
  // Files just over the limit are read in part, to see whether they claim to be ours; enormous ones are not.
  if (size !== undefined && size > 64 * MANIFEST_LIMITS.fileBytes) return refuse('FileTooLarge', path, `the file has ${Math.round(size / 1024 / 1024)} MiB`);
  return READ;
}

function refuse(code: ProblemCode, file: string, message: string, severity: 'error' | 'warning' = 'error'): EntryClass {
  return { decision: 'problem', problem: problem(code, { file, line: 1, column: 1 }, message, { severity }) };
}

/** Control characters are shown and not sent to people's terminals. */
function visible(path: string): string {
  return path.slice(0, 300).replace(new RegExp(CONTROL.source, 'g'), (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

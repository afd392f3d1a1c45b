/** Problems for people. */
import type { Problem } from '../model/problem.ts';

/** `file:line:column  Code  message` and the hint below it. */
export function problemText(problems: readonly Problem[]): string {
  return problems
    .map((item) => {
      const place = item.file === '' ? '(repository)' : item.line === 0 ? item.file : `${item.file}:${item.line}:${item.column}`;
      const severity = item.severity === 'warning' ? ' (warning)' : '';
      return `${place}  ${item.code}${severity}  ${item.message}\n    ${item.hint}\n`;
    })
    .join('');
}

export function countProblems(problems: readonly Problem[]): { readonly errors: number; readonly warnings: number } {
  const errors = problems.filter((item) => item.severity === 'error').length;
  return { errors, warnings: problems.length - errors };
}

/** `3 problems`, `1 problem and 2 warnings`. */
export function countText({ errors, warnings }: { readonly errors: number; readonly warnings: number }): string {
  const parts = [errors === 0 && warnings > 0 ? '' : `${errors} problem${errors === 1 ? '' : 's'}`, warnings === 0 ? '' : `${warnings} warning${warnings === 1 ? '' : 's'}`];
  return parts.filter((part) => part !== '').join(' and ');
}

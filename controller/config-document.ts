/** Reads one YAML file and remembers where each value stands, so that every problem can name its line and column. */
import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Node } from 'yaml';

/** A fault of the configuration. `line` and `column` are 1-based; 0 where there is none (the environment). */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface ConfigDocument {
  readonly value: unknown;
  readonly problems: readonly ConfigProblem[];
  /** The place of a value, or of the nearest one around it. `key`: of the key itself, for keys that should not be there. */
  locate(path: readonly (string | number)[], key?: string): { readonly line: number; readonly column: number };
}

export function readConfigDocument(file: string, text: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const place = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const problems = document.errors.map((error) => ({ file, ...place(error.pos[0]), message: error.message.split('\n')[0] ?? 'this is no YAML' }));
  return {
    value: problems.length > 0 ? undefined : (document.toJS({ maxAliasCount: 50 }) as unknown),
    problems,
    locate: (path, key) => place(offsetOf(document.contents, path, key) ?? 0),
  };
}

function offsetOf(root: Node | null, path: readonly (string | number)[], key?: string): number | undefined {
  let node: unknown = root;
  let offset = root?.range?.[0];
  for (const [depth, step] of [...path, ...(key === undefined ? [] : [key])].entries()) {
    const wantsKey = key !== undefined && depth === path.length;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === step);
      if (pair === undefined) return offset;
      const start = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      if (wantsKey) return start ?? offset;
      node = pair.value;
      offset = (pair.value as Node | null)?.range?.[0] ?? start ?? offset;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

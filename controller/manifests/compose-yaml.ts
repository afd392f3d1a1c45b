/**
 * Text → YAML documents, token by token, so that hostile text is refused while it is read: nesting, aliases and the number
 * of documents are checked before a tree of them exists.
 */
import { Composer, CST, Lexer, LineCounter, Parser } from 'yaml';
import type { Document } from 'yaml';
import type { ProblemCode } from '../model/problem.ts';
import { MANIFEST_LIMITS } from './limits.ts';

export interface YamlFault {
  readonly code: ProblemCode;
  /** Offset in the text. */
  readonly offset: number;
  readonly message: string;
}

export interface ComposedYaml {
  readonly documents: readonly Document.Parsed[];
  readonly lines: LineCounter;
  /** Why reading stopped; then there are no documents. */
  readonly fault: YamlFault | null;
}

/** Start of a scalar's text in the lexer's output; what follows is text, whatever it looks like. */
const SCALAR = '\u001f';

export interface ComposeYamlOptions {
  /** Anchors and aliases, which manifests have not: the reader of the tree has to bound what they multiply. Default: refused. */
  readonly anchors?: boolean;
  /** Tags that are left to the reader of the tree. Default: none. */
  readonly tags?: ReadonlySet<string> | 'any';
}

/** Never throws. Duplicate keys are left to the reader of the tree, where the check is linear. */
export function composeYaml(text: string, options: ComposeYamlOptions = {}): ComposedYaml {
  const { stackTraceLimit } = Error;
  // A hostile text has hundreds of thousands of syntax errors; their stacks would cost seconds and nobody reads them.
  Error.stackTraceLimit = 0;
  try {
    return compose(text, options);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function compose(text: string, { anchors = false, tags }: ComposeYamlOptions): ComposedYaml {
  const lines = new LineCounter();
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  const composer = new Composer({ uniqueKeys: false, strict: true, prettyErrors: false, merge: false });
  const documents: Document.Parsed[] = [];
  const fail = (code: ProblemCode, message: string): ComposedYaml => ({ documents: [], lines, fault: { code, offset: parser.offset, message } });
  let afterScalarMark = false;
  let words = 0;

  for (const lexeme of new Lexer().lex(text)) {
    if (!afterScalarMark) {
      const type = CST.tokenType(lexeme);
      // The text itself is not shown: a password that begins with `*` or `&` was meant to be quoted (R27).
      if (!anchors && (type === 'alias' || type === 'anchor')) return fail('YamlAlias', `a word that begins with ${lexeme.slice(0, 1)} is an ${type}; quote it if it is text`);
      if (type === 'tag' && tags !== 'any' && tags?.has(lexeme) !== true) return fail('YamlSyntax', 'a word that begins with ! is a tag, which is not accepted; quote it if it is text');
    }
    afterScalarMark = lexeme === SCALAR;
    words += 1;
    if (words > MANIFEST_LIMITS.wordsPerFile) return fail('FileTooLarge', 'the file holds far more values than manifests need');
    for (const token of parser.next(lexeme)) for (const document of composer.next(token)) documents.push(document);
    if (parser.stack.length > MANIFEST_LIMITS.depth * 2) {
      return fail('YamlTooDeep', `values are nested deeper than ${MANIFEST_LIMITS.depth} levels`);
    }
    if (documents.length > MANIFEST_LIMITS.documentsPerFile) {
      return fail('YamlTooManyDocuments', `the file holds more than ${MANIFEST_LIMITS.documentsPerFile} documents`);
    }
  }
  for (const token of parser.end()) for (const document of composer.next(token)) documents.push(document);
  for (const document of composer.end(false, text.length)) documents.push(document);
  if (documents.length > MANIFEST_LIMITS.documentsPerFile) {
    return fail('YamlTooManyDocuments', `the file holds more than ${MANIFEST_LIMITS.documentsPerFile} documents`);
  }
  return { documents, lines, fault: null };
}

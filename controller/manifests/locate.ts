/**
 * Finds places in YAML by JSON pointer. A manifest keeps its file's text and not its tree; the tree is made again when somebody
 * asks for a place, which is when there is a problem to show or something to render.
 */
import { isMap, isPair, isScalar, isSeq } from 'yaml';
import type { Document, LineCounter, Node } from 'yaml';
import type { Locate } from '../model/manifest.ts';
import { pointerSteps } from '../model/manifest.ts';
import type { Position } from '../model/problem.ts';
import type { ComposedYaml } from './compose-yaml.ts';
import { composeYaml } from './compose-yaml.ts';

/** Trees kept for the next question; neighbours are asked together. */
const KEPT = 8;
const recent = new Map<string, ComposedYaml>();

export function rememberYaml(text: string, composed: ComposedYaml): void {
  recent.delete(text);
  recent.set(text, composed);
  if (recent.size > KEPT) recent.delete(recent.keys().next().value as string);
}

/** Finders for document number `index` of `text`. They hold the text only. */
export function locators(file: string, text: string, index: number): { readonly position: Locate; readonly keyPosition: Locate } {
  const find = (pointer: string, ofKey: boolean): Position => {
    const composed = recent.get(text) ?? composeYaml(text);
    rememberYaml(text, composed);
    const document = composed.documents[index];
    return document === undefined ? { file, line: 0, column: 0 } : placeOf(file, document, composed.lines, pointer, ofKey);
  };
  return { position: (pointer) => find(pointer, false), keyPosition: (pointer) => find(pointer, true) };
}

/** The place of a value or of its key; the nearest one around it where the pointer leads nowhere. */
export function placeOf(file: string, document: Document.Parsed, lines: LineCounter, pointer: string, ofKey: boolean): Position {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? document.range[0];
  const steps = pointerSteps(pointer);
  for (const [depth, step] of steps.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.source ?? item.key.value) === step);
      if (pair === undefined) break;
      const keyOffset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
      // A key without a value (`node:`) is the place that people look for.
      const empty = isScalar(node) && node.value === null && (node.source ?? '') === '';
      offset = (ofKey && depth === steps.length - 1) || empty ? keyOffset : ((node as Node | null)?.range?.[0] ?? keyOffset);
    } else if (isSeq(node) && /^\d+$/.test(step)) {
      node = node.items[Number(step)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else {
      break;
    }
  }
  return offsetPlace(file, lines, offset);
}

export function offsetPlace(file: string, lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
}

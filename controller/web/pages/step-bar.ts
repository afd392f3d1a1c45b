/** An attempt drawn as one bar: its steps, each as long as it took. The same is said in words for who does not see it. */
import type { AttemptView } from '../../store/views/history.ts';
import { html } from '../html.ts';
import type { Html } from '../html.ts';
import { seconds } from '../parts.ts';

export interface Segment {
  readonly step: string;
  /** Milliseconds from the start of the attempt, and to its end (or to now). */
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * A step lasts until the next one begins. Agents date their steps by their own clocks, so what would lie outside of the attempt
 * is moved into it. Steps of one name that follow each other are one.
 */
export function segmentsOf({ startedAt, finishedAt, events }: Pick<AttemptView, 'startedAt' | 'finishedAt' | 'events'>, now: Date): readonly Segment[] {
  if (startedAt === null) return [];
  const length = Math.max(0, (finishedAt ?? now).getTime() - startedAt.getTime());
  const [first, last] = [events[0], events.at(-1)];
  if (first === undefined || last === undefined) return length > 0 ? [{ step: 'begin', fromMs: 0, toMs: length }] : [];
  const early = Math.max(0, startedAt.getTime() - first.at.getTime());
  const late = Math.max(0, last.at.getTime() + early - startedAt.getTime() - length);
  const within = (at: Date): number => Math.min(length, Math.max(0, at.getTime() + early - late - startedAt.getTime()));
  const segments: Segment[] = [];
  const add = (step: string, fromMs: number, toMs: number): void => {
    const before = segments.at(-1);
    if (before?.step === step) segments[segments.length - 1] = { ...before, toMs };
    else if (toMs > fromMs) segments.push({ step, fromMs, toMs });
  };
  add('begin', 0, within(first.at));
  for (const [index, event] of events.entries()) {
    const next = events[index + 1];
    add(event.step, within(event.at), next === undefined ? length : within(next.at));
  }
  return segments;
}

/** Steps that have a colour of their own; others share one. */
const COLOURED = new Set(['pull', 'start', 'health', 'switch', 'clean', 'restore', 'init', 'volume', 'network', 'remove', 'begin']);
/** Narrower ones have no room for their name. */
const NAMED_FROM = 0.09;

/** `scaleMs`: what the whole width stands for. */
export function stepBar(segments: readonly Segment[], scaleMs: number): Html {
  if (segments.length === 0 || scaleMs <= 0) return html``;
  const words = segments.map(({ step, fromMs, toMs }) => `${step} ${seconds(toMs - fromMs)}`).join(', ');
  const percent = (ms: number): string => `${((ms / scaleMs) * 100).toFixed(2)}%`;
  return html`<svg class="bar-of-steps" width="100%" height="20" role="img" aria-label="Steps: ${words}">${segments.map(({ step, fromMs, toMs }) => html`<g class="step-${COLOURED.has(step) ? step : 'other'}"><title>${step} ${seconds(toMs - fromMs)}</title><rect x="${percent(fromMs)}" y="1" width="${percent(Math.max(toMs - fromMs, scaleMs / 400))}" height="18"/>${
    (toMs - fromMs) / scaleMs >= NAMED_FROM && html`<text x="${percent(fromMs)}" dx="5" y="14">${step}</text>`
  }</g>`)}</svg>`;
}

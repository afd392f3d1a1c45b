/** Waiting in tests: for a condition, never for a fixed time. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface SleepUntilOptions {
  /** Milliseconds; 60,000 unless told: what comes at all comes sooner, and a machine that does much else is slow. */
  readonly timeoutMs?: number;
  /** What is waited for; the text of the error. */
  readonly what?: string;
  /** Milliseconds between two looks; 20 unless told. */
  readonly intervalMs?: number;
}

/** Waits until `condition` gives something truthy and returns it; fails after the timeout, naming what was missing. */
export async function sleepUntil<T>(condition: () => T | Promise<T>, options: SleepUntilOptions = {}): Promise<NonNullable<T>> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`waited ${String(timeoutMs)} ms in vain for ${options.what ?? 'a condition'}`);
    await sleep(options.intervalMs ?? 20);
  }
}

/**
 * What the process that systemd started does while another version than the installed one is the agent, or is to become it: starts it, watches it while it is
 * on trial, and ends as it ends. It reads the files and nothing else, so it does the same after a `kill -9` at any moment. It loads nothing
 * of the agent: it is there for as long as the host runs.
 */
import { pause } from '../../core/pool.ts';
import { Child } from './child.ts';
import type { UnitFiles, UnitRecord } from './unit-files.ts';

export interface LauncherOptions {
  readonly files: UnitFiles;
  /** The installed one. */
  readonly version: string;
  /** How long the new one has to be taken by the controller, from its start. */
  readonly deadlineMs: number;
  /** Of the command line. */
  readonly args: readonly string[];
  readonly log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

interface Next {
  readonly name: string;
  readonly version: string;
  /** It is on trial. */
  readonly record: UnitRecord | undefined;
}

const LOOK_EVERY_MS = 250;
/** A signal to all processes of the unit reaches one of them first. */
const SIGNAL_MS = 500;
const STEADY_MS = 15_000;
const STARTS = 3;

export class Launcher {
  readonly #options: LauncherOptions;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  /** Resolves with the exit code that this process is to have, or with undefined when the installed version is to serve in it. */
  async run(signal: AbortSignal): Promise<number | undefined> {
    while (!signal.aborted) {
      const next = await this.#next();
      if (next === undefined) return undefined;
      const code = await this.#launch(next, signal);
      if (code !== undefined) return code;
    }
    return 0;
  }

  async #next(): Promise<Next | undefined> {
    const { files, version, log } = this.#options;
    const { versions } = files;
    const record = files.record;
    if (record !== undefined && record.installed !== version) {
      log.warn({ to: record.version, installed: version }, 'an exchange for another version was cut off: another one was installed meanwhile');
      files.end(record);
    } else if (record !== undefined) {
      const verdict = files.verdict(record);
      if (verdict === undefined) {
        const why = versions.damage(record.to, record.version) ?? (versions.starts(record.to) < STARTS ? null : `was cut off ${STARTS} times before it was taken or given up`);
        if (why === null) return { name: record.to, version: record.version, record };
        await this.#dismiss(record, why);
      } else if (verdict.accepted) await files.promote(record);
      else await this.#dismiss(record, verdict.reason);
    }
    const current = versions.current;
    if (current !== undefined && current.installed !== version) {
      log.info({ installed: version, before: current.installed, was: current.version }, 'another version was installed on this host; it serves');
      await files.forget(current);
    } else if (current !== undefined) {
      const why = versions.damage(current.name, current.version) ?? (versions.starts(current.name) < STARTS ? null : `it ended soon after its start ${STARTS} times in a row`);
      if (why === null) return { name: current.name, version: current.version, record: undefined };
      log.warn({ version: current.version, installed: version, reason: why }, 'the version that this unit ran cannot be started; the installed one serves');
      await files.forget(current, `version ${current.version} (${current.image}) cannot be started any more: ${why}`);
    } else await versions.keepOnly([]);
    return undefined;
  }

  /** Undefined: something else is to be done next. */
  async #launch(next: Next, signal: AbortSignal): Promise<number | undefined> {
    const { files, args, log, version } = this.#options;
    const { versions } = files;
    versions.begins(next.name);
    log.info({ version: next.version, installed: version, onTrial: next.record !== undefined }, 'starting the version of the agent that is in its directory');
    const child = new Child({ entry: versions.entryOf(next.name), args, listens: next.record !== undefined });
    const stop = (): void => child.stop();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const steady = setTimeout(() => versions.isSteady(), STEADY_MS);
    try {
      if (next.record !== undefined) {
        const reason = await this.#watch(next.record, child, signal);
        if (reason !== undefined) {
          await child.kill();
          await this.#dismiss(next.record, reason);
          return undefined;
        }
      }
      const end = await child.ended;
      await pause(SIGNAL_MS, signal);
      if (signal.aborted) {
        versions.isSteady();
        return end.signal === 'SIGTERM' || end.signal === 'SIGINT' ? 0 : end.code;
      }
      const record = files.record;
      const handedOver = record !== undefined && files.verdict(record) === undefined;
      if (handedOver || versions.current?.name !== next.name) return undefined;
      log.warn({ version: next.version, exitCode: end.code }, 'the agent has ended');
      return end.code;
    } finally {
      clearTimeout(steady);
      signal.removeEventListener('abort', stop);
    }
  }

  /** Until the controller has taken it, or this process is to stop. Resolves with the reason where it has failed. */
  async #watch(record: UnitRecord, child: Child, signal: AbortSignal): Promise<string | undefined> {
    const { files, deadlineMs } = this.#options;
    const begun = performance.now();
    while (!signal.aborted && !this.#isTaken(record)) {
      const late = performance.now() - begun > deadlineMs;
      let why: string | undefined;
      if (child.end !== undefined) {
        await pause(SIGNAL_MS, signal);
        if (signal.aborted) return undefined;
        why = child.end.text;
      } else if (late) why = `the controller had not taken it after ${Math.round(deadlineMs / 1_000)} s: ${child.lastLines}`;
      const reason = `version ${record.version} (${record.image}) was tried and ${child.end === undefined ? '' : 'it '}${why}`;
      // The one on trial writes what it is before it takes its own verdict away, so it is looked at last.
      if (why !== undefined && files.decide(record, { accepted: false, reason }) && files.versions.current?.name !== record.to) return reason;
      await pause(LOOK_EVERY_MS, signal);
    }
    return undefined;
  }

  #isTaken(record: UnitRecord): boolean {
    const { files } = this.#options;
    return files.verdict(record)?.accepted === true || files.versions.current?.name === record.to;
  }

  async #dismiss(record: UnitRecord, reason: string): Promise<void> {
    const { files, log } = this.#options;
    files.versions.isSteady();
    log.warn({ version: record.version, reason }, 'the new version of the agent has failed; the one from before goes on');
    await files.dismiss(record, reason);
  }
}

/**
 * Looks after tags that a deployment follows (`follow: digest`): on its schedule the registry is asked what the tags mean now, and what is
 * not what runs is told to the controller, which decides. One look at a time on a target; a registry that is busy is left in peace.
 */
import { schedule, validate } from 'node-cron';
import type { ScheduledTask } from 'node-cron';
import type { ImageDigests } from '../../proto/gen/agent/v1/agent.ts';
import type { Journal } from './journal.ts';
import { parseReference } from './reference.ts';
import { openRegistries } from './registry-access.ts';
import { askForDigest, type TagAnswer } from './registry-client.ts';
import type { Secrets } from './secrets.ts';

const LOOK_FOR_TARGETS_MS = 2_000;
const ASK_MS = 20_000;

export interface FollowerOptions {
  readonly journal: Journal;
  readonly secrets: Secrets;
  readonly log: { warn(fields: object, text: string): void };
  send(digests: ImageDigests): void;
}

interface Followed {
  readonly cron: string;
  readonly task: ScheduledTask;
}

export class Follower {
  readonly #options: FollowerOptions;
  readonly #followed = new Map<string, Followed>();
  /** What was said last, by prefix; the line may have broken since. */
  #told = new Map<string, string>();
  readonly #looking = new Set<string>();
  readonly #notBefore = new Map<string, number>();
  readonly #failed = new Map<string, string>();

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** A new session knows nothing. */
  everything(): void {
    this.#told = new Map();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#arrange(signal);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, LOOK_FOR_TARGETS_MS);
        function done(): void {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        }
        signal.addEventListener('abort', done);
      });
    }
    for (const { task } of this.#followed.values()) void task.destroy();
  }

  /** One task for each target that follows; they come and go with what is remembered. */
  #arrange(signal: AbortSignal): void {
    const { memories } = this.#options.journal;
    for (const [prefix, { cron, task }] of this.#followed) {
      if (memories.get(prefix)?.spec.follow?.schedule === cron) continue;
      void task.destroy();
      this.#followed.delete(prefix);
      this.#told.delete(prefix);
    }
    for (const [prefix, { spec }] of memories) {
      const cron = spec.follow?.schedule;
      if (cron === undefined || this.#followed.has(prefix) || !validate(cron)) continue;
      this.#followed.set(prefix, { cron, task: schedule(cron, () => void this.#look(prefix, signal), { noOverlap: true }) });
    }
  }

  async #look(prefix: string, signal: AbortSignal): Promise<void> {
    const memory = this.#options.journal.memories.get(prefix);
    if (memory === undefined || signal.aborted || this.#looking.has(prefix) || Date.now() < (this.#notBefore.get(prefix) ?? 0)) return;
    this.#looking.add(prefix);
    try {
      const accessOf = await openRegistries(memory.spec.registries, this.#options.secrets);
      const running = new Map(memory.digests.map((one) => [one.name, one.digest]));
      const found: { name: string; image: string; digest: string }[] = [];
      for (const { name, image, registry } of memory.spec.images) {
        if (parseReference(image).digest !== undefined) continue;
        const answer = await askForDigest(image, registry === undefined ? undefined : accessOf(image, registry), AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]));
        if ('fault' in answer) return this.#complain(prefix, answer);
        found.push({ name, image, digest: answer.digest });
      }
      this.#failed.delete(prefix);
      const text = JSON.stringify(found);
      const told = this.#told.get(prefix);
      const moved = found.some(({ name, digest }) => running.get(name) !== digest);
      if (text === told || (!moved && told === undefined)) return;
      this.#options.send({ prefix, digests: found });
      this.#told.set(prefix, text);
    } catch (error) {
      this.#options.log.warn({ err: error, prefix }, 'the tags of this target could not be looked at');
    } finally {
      this.#looking.delete(prefix);
    }
  }

  /** Said once for each kind of trouble: the schedule may be a short one. */
  #complain(prefix: string, { fault, text, retryAfterMs }: Exclude<TagAnswer, { digest: string }>): void {
    this.#notBefore.set(prefix, Date.now() + retryAfterMs);
    if (this.#failed.get(prefix) !== fault && fault !== 'ImageUnknown') this.#options.log.warn({ prefix, code: fault, reason: text }, 'a followed tag could not be looked at; it is tried again on schedule');
    this.#failed.set(prefix, fault);
  }
}

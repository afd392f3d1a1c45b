/** Container logs for readers at the controller: one call each, as fast as the reader reads and no faster. */
import type { AgentLinkClient, AgentMessage, LogLine, RequestLogs } from '../../proto/gen/agent/v1/agent.ts';
import type { Engine } from './engine.ts';
import type { Secrets } from './secrets.ts';

/** Streams at the same time; one more is told to come back. */
const MAX_STREAMS = 8;
const LINES_A_CHUNK = 64;
const FLUSH_MS = 100;

export class LogSender {
  readonly #client: AgentLinkClient;
  readonly #engine: Engine;
  readonly #secrets: Secrets;
  readonly #say: (body: NonNullable<AgentMessage['body']>) => void;
  readonly #open = new Map<string, AbortController>();

  constructor(client: AgentLinkClient, engine: Engine, secrets: Secrets, say: (body: NonNullable<AgentMessage['body']>) => void) {
    this.#client = client;
    this.#engine = engine;
    this.#secrets = secrets;
    this.#say = say;
  }

  begin(request: RequestLogs): void {
    if (this.#open.size >= MAX_STREAMS) return this.#say({ $case: 'logsUnavailable', value: { requestId: request.requestId, reason: 'too many log streams are open on this node' } });
    const stop = new AbortController();
    this.#open.set(request.requestId, stop);
    void this.#send(request, stop.signal)
      .catch((error: unknown) => this.#say({ $case: 'logsUnavailable', value: { requestId: request.requestId, reason: error instanceof Error ? error.message : String(error) } }))
      .finally(() => this.#open.delete(request.requestId));
  }

  end(requestId: string): void {
    this.#open.get(requestId)?.abort();
  }

  stop(): void {
    for (const controller of this.#open.values()) controller.abort();
  }

  async #send(request: RequestLogs, signal: AbortSignal): Promise<void> {
    const call = this.#client.streamLogs((error) => {
      if (error !== null) this.end(request.requestId);
    });
    call.on('error', () => this.end(request.requestId));
    let batch: LogLine[] = [];
    let flushedAt = Date.now();
    const flush = async (): Promise<void> => {
      const lines = batch;
      batch = [];
      flushedAt = Date.now();
      if (!call.write({ requestId: request.requestId, lines })) await new Promise<void>((resolve) => {
        call.once('drain', resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    };
    try {
      await flush(); // the first chunk says which request this is
      for await (const line of this.#engine.logs(request, signal)) {
        batch.push({ atMs: BigInt(line.at.getTime()), stream: line.stream, text: this.#secrets.scrub(line.text) });
        if (batch.length >= LINES_A_CHUNK || Date.now() - flushedAt >= FLUSH_MS) await flush();
        else if (batch.length === 1) setTimeout(() => void (batch.length > 0 && !signal.aborted && flush()), FLUSH_MS).unref();
        if (signal.aborted) break;
      }
      if (batch.length > 0 && !signal.aborted) await flush();
    } finally {
      call.end();
    }
  }
}

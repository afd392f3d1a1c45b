/**
 * The controller's end of one agent's stream. Who the agent is comes from its certificate; what it says is handed to the
 * `SessionHandler` (owned here, implemented by reconcile) message by message, in order.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type {
  AgentMessage,
  AgentUpdateState,
  AttemptEvent,
  AttemptKind,
  AttemptRefused,
  AttemptResult,
  ControllerMessage,
  Hello,
  ImageDigests,
  LogLine,
  Observation,
  RemoveTarget,
} from '../../proto/gen/agent/v1/agent.ts';
import { storableTexts } from '../storable.ts';
import { deferred } from './deferred.ts';
import type { LogCalls } from './log-calls.ts';

/** The newest protocol that this controller speaks; an agent may speak an older one. */
const PROTOCOL = 1;
/** Outgoing messages that may wait for a slow agent before it is cut off; it comes back and gets what matters again. */
const MAX_WAITING = 1_000;

export interface StartCommand {
  readonly attemptId: bigint;
  readonly kind: AttemptKind;
  readonly specJson: string;
  readonly remove: RemoveTarget | undefined;
  readonly remainingMs: number;
}

export interface SessionHandler {
  /** Takes the node over; the token goes with every command. A refusal makes the agent come back later. */
  onConnected(session: AgentSession, hello: Hello): Promise<{ readonly fencingToken: bigint } | { readonly refuse: string }>;
  /** Welcome went out. */
  onReady(session: AgentSession): void;
  onHeartbeat(session: AgentSession): Promise<void>;
  onAttemptEvent(session: AgentSession, event: AttemptEvent): Promise<void>;
  /** Resolves when the result is stored; only then is it acknowledged. */
  onAttemptResult(session: AgentSession, result: AttemptResult): Promise<void>;
  onAttemptRefused(session: AgentSession, refused: AttemptRefused): Promise<void>;
  onObservation(session: AgentSession, observation: Observation): Promise<void>;
  /** The public keys of the node's secrets, the current one first; told again when they change. */
  onRecipients(session: AgentSession, recipients: readonly string[]): Promise<void>;
  /** What the followed tags of a target mean now. */
  onImageDigests(session: AgentSession, digests: ImageDigests): Promise<void>;
  /** What the agent makes of the version that is wanted of it. */
  onAgentUpdate(session: AgentSession, state: AgentUpdateState): Promise<void>;
  onDisconnected(session: AgentSession, reason: string): Promise<void>;
}

export interface SessionOptions {
  readonly team: string;
  readonly node: string;
  readonly handler: SessionHandler;
  readonly logs: LogCalls;
  readonly controllerVersion: string;
  readonly heartbeatMs: number;
  readonly id: string;
  onError(error: unknown): void;
}

export class AgentSession {
  readonly team: string;
  readonly node: string;
  readonly id: string;
  readonly #stream: ServerDuplexStream<AgentMessage, ControllerMessage>;
  readonly #options: SessionOptions;
  readonly #waiting: ControllerMessage[] = [];
  readonly #ended = deferred<string>();
  #blocked = false;
  #messageId = 0n;
  #fencingToken = 0n;
  #closed: string | undefined;
  #lastHeard = Date.now();

  constructor(stream: ServerDuplexStream<AgentMessage, ControllerMessage>, options: SessionOptions) {
    this.team = options.team;
    this.node = options.node;
    this.id = options.id;
    this.#stream = stream;
    this.#options = options;
    stream.on('drain', () => this.#flush());
    stream.on('end', () => this.close('the agent closed the stream'));
    stream.on('cancelled', () => this.close('the line was cut'));
    stream.on('error', (error: Error) => this.close(error.message));
  }

  /** Resolves with the reason when the session is over. */
  get ended(): Promise<string> {
    return this.#ended.promise;
  }

  /** Reads until the stream ends: Hello first, then everything in order; one message is done before the next is read. */
  async run(): Promise<void> {
    const { handler, heartbeatMs } = this.#options;
    const watch = setInterval(() => {
      if (Date.now() - this.#lastHeard > heartbeatMs * 3) this.close('three heartbeats are missing');
      else this.#send({ $case: 'heartbeat', value: { sentAtMs: BigInt(Date.now()) } });
    }, heartbeatMs);
    let connected = false;
    try {
      // Not destroyed when the loop ends: grpc-js would then never tell the agent that the call is over.
      for await (const heard of this.#stream.iterator({ destroyOnReturn: false }) as AsyncIterable<AgentMessage>) {
        if (this.#closed !== undefined) break;
        this.#lastHeard = Date.now();
        // Logs and errors of containers hold anything; a result that no row can keep would be told for ever.
        const message = storableTexts(heard);
        if (message.body?.$case === 'hello') {
          if (connected) throw new Error('a second Hello');
          const answer = await handler.onConnected(this, message.body.value);
          if ('refuse' in answer) {
            this.close(answer.refuse);
            break;
          }
          connected = true;
          this.#fencingToken = answer.fencingToken;
          this.#welcome(message.body.value);
          handler.onReady(this);
        } else if (connected) await this.#handle(message);
        else throw new Error('the first message is not Hello');
      }
    } catch (error) {
      // A failure to store is not the agent's fault: it reconnects and tells again whatever was not acknowledged.
      this.#options.onError(error);
      this.close('a message could not be handled');
    } finally {
      clearInterval(watch);
      this.close('the stream ended');
      if (connected) await handler.onDisconnected(this, this.#closed ?? '').catch((error: unknown) => this.#options.onError(error));
    }
  }

  startAttempt(command: StartCommand): void {
    this.#send({ $case: 'startAttempt', value: { ...command, fencingToken: this.#fencingToken, remove: command.remove } });
  }

  cancelAttempt(attemptId: bigint, reason: string): void {
    this.#send({ $case: 'cancelAttempt', value: { attemptId, fencingToken: this.#fencingToken, reason } });
  }

  /** The version that the node's manifest wants; empty: none any more. */
  wantAgent(version: string, image: string): void {
    this.#send({ $case: 'agentUpdate', value: { version, image } });
  }

  /** Lines of a container as they come; ends when the agent ends them, the signal aborts or the session is over. */
  async *requestLogs(request: { prefix: string; container: string; tail: number; follow: boolean }, signal: AbortSignal): AsyncGenerator<LogLine> {
    const call = this.#options.logs.open(this.team, this.node);
    try {
      this.#send({ $case: 'requestLogs', value: { requestId: call.requestId, ...request } });
      yield* call.lines(AbortSignal.any([signal, abortedWhen(this.#ended.promise)]));
    } finally {
      this.#send({ $case: 'stopLogs', value: { requestId: call.requestId } });
      call.close();
    }
  }

  close(reason: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#waiting.length = 0;
    this.#stream.end();
    this.#ended.resolve(reason);
  }

  async #handle(message: AgentMessage): Promise<void> {
    const { handler, logs } = this.#options;
    const body = message.body;
    switch (body?.$case) {
      case 'heartbeat':
        return handler.onHeartbeat(this);
      case 'attemptEvent':
        return handler.onAttemptEvent(this, body.value);
      case 'attemptResult':
        await handler.onAttemptResult(this, body.value);
        return this.#send({ $case: 'resultAcknowledged', value: { attemptId: body.value.attemptId } });
      case 'attemptRefused':
        return handler.onAttemptRefused(this, body.value);
      case 'observation':
        return handler.onObservation(this, body.value);
      case 'imageDigests':
        return handler.onImageDigests(this, body.value);
      case 'agentUpdateState':
        return handler.onAgentUpdate(this, body.value);
      case 'secretRecipients':
        return handler.onRecipients(this, body.value.recipients);
      case 'logsUnavailable':
        return logs.unavailable(body.value.requestId, body.value.reason);
      default:
        return; // a newer agent says something that this controller does not know yet
    }
  }

  #welcome(hello: Hello): void {
    const { controllerVersion, heartbeatMs } = this.#options;
    this.#send({
      $case: 'welcome',
      value: { protocol: Math.min(PROTOCOL, hello.protocol), controllerVersion, sessionId: this.id, fencingToken: this.#fencingToken, heartbeatIntervalMs: heartbeatMs },
    });
  }

  #send(body: NonNullable<ControllerMessage['body']>): void {
    if (this.#closed !== undefined) return;
    if (this.#waiting.length >= MAX_WAITING) return this.close('the agent does not read');
    this.#waiting.push({ messageId: ++this.#messageId, body });
    if (!this.#blocked) this.#flush();
  }

  #flush(): void {
    this.#blocked = false;
    while (!this.#blocked && this.#closed === undefined) {
      const message = this.#waiting.shift();
      if (message === undefined) return;
      this.#blocked = !this.#stream.write(message);
    }
  }
}

function abortedWhen(over: Promise<unknown>): AbortSignal {
  const controller = new AbortController();
  void over.then(() => controller.abort());
  return controller.signal;
}

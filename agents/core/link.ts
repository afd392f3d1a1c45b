/**
 * The agent's end of the line: one session at a time, made again for ever with back-off. What was said into a line that broke
 * is said again after the next Welcome if it matters (results); the rest (events, observations) is superseded by the present.
 */
import * as grpc from '@grpc/grpc-js';
import { AgentLinkClient } from '../../proto/gen/agent/v1/agent.ts';
import type { AgentMessage, ControllerMessage, RequestLogs } from '../../proto/gen/agent/v1/agent.ts';
import { SERVER_NAME } from '../../proto/join.ts';
import { reconnectDelay } from './backoff.ts';
import type { Exchange } from './exchange.ts';
import { Follower } from './follower.ts';
import type { Engine } from './engine.ts';
import { AgentError } from './errors.ts';
import type { Identity } from './identity.ts';
import { linkCredentials, newKey, renewalDue } from './identity.ts';
import type { Journal } from './journal.ts';
import { LogSender } from './log-sender.ts';
import { Observer } from './observer.ts';
import type { Secrets } from './secrets.ts';
import { Updater } from './updater.ts';
import { Worker } from './worker.ts';

/** The newest protocol that this agent speaks. */
const PROTOCOL = 1;
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
const WELCOME_MS = 15_000;
const RENEW_MS = 30_000;
/** Messages that may wait for a slow line; beyond it the oldest events go first, results never (they are in the journal). */
const MAX_WAITING = 1_000;
const ENDED = 'the controller ended the session';

export interface AgentLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export interface LinkOptions {
  /** host:port */
  readonly address: string;
  readonly identity: Identity;
  readonly engine: Engine;
  readonly journal: Journal;
  readonly secrets: Secrets;
  readonly version: string;
  readonly instanceId: string;
  readonly log: AgentLog;
  /** A renewed identity has to be kept before it is used. */
  saveIdentity(identity: Identity): void;
  /** Asked with each Welcome: may this process act? False ends the session before anything is done. Never rejects. */
  mayAct?(): Promise<boolean>;
  /** The line stands, or does not any more. */
  onLine?(connected: boolean): void;
  /** What was begun earlier is taken up with the first Welcome, not before: until then another process may still be the agent. */
  readonly onTrial?: boolean;
  readonly exchange?: Exchange | undefined;
  /** The exchange is on its way: `run` has to end. */
  onLeave?(): void;
  /** For tests: in [0, 1). */
  random?(): number;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #worker: Worker;
  readonly #observer: Observer;
  readonly #follower: Follower;
  readonly #updater: Updater;
  #resumed = false;
  readonly #waiting: AgentMessage[] = [];
  #identity: Identity;
  #stream: grpc.ClientDuplexStream<AgentMessage, ControllerMessage> | undefined;
  #welcomed = false;
  #blocked = false;
  #messageId = 0n;
  #toldKeys = '';

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#identity = options.identity;
    const { identity, engine, journal, secrets, version, log } = options;
    this.#observer = new Observer({ team: identity.team, engine, journal, log, send: (observation) => this.#say({ $case: 'observation', value: observation }) });
    this.#follower = new Follower({ journal, secrets, log, send: (digests) => this.#say({ $case: 'imageDigests', value: digests }) });
    this.#worker = new Worker({ team: identity.team, node: identity.node, engine, journal, secrets, version, log, send: (body) => this.#say(body), changed: (prefix) => this.#observer.changed(prefix) });
    const worker = this.#worker;
    this.#updater = new Updater({ version, exchange: options.exchange, log, send: (state) => this.#say({ $case: 'agentUpdateState', value: state }), drain: () => worker.drain(), undrain: () => worker.undrain(), leave: () => options.onLeave?.() });
  }

  /** Runs until the signal aborts; never throws for a controller that is away or says no. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    if (this.#options.onTrial !== true) this.#resume();
    const watching = this.#observer.run(signal);
    const following = this.#follower.run(signal);
    let failures = 0;
    while (!signal.aborted) {
      const begun = Date.now();
      const reason = await this.#session(signal);
      if (signal.aborted) break;
      failures = Date.now() - begun > 10_000 && reason.welcomed ? 1 : failures + 1;
      // A controller that ends the session in good order is there, and says no for the moment only (another replica's lease runs out).
      if (reason.text === ENDED) failures = Math.min(failures, 4);
      const delay = reason.renewed ? 0 : reconnectDelay(failures, this.#options.random?.() ?? Math.random());
      log.warn({ retryInMs: delay, reason: reason.text }, 'no line to the controller');
      await sleep(delay, signal);
    }
    this.#worker.stop();
    this.#updater.stop();
    await Promise.all([watching, following]);
  }

  async #session(signal: AbortSignal): Promise<{ text: string; welcomed: boolean; renewed: boolean }> {
    const client = new AgentLinkClient(this.#options.address, linkCredentials(this.#identity), {
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.ssl_target_name_override': SERVER_NAME,
      'grpc.use_local_subchannel_pool': 1,
    });
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    const logs = new LogSender(client, this.#options.engine, this.#options.secrets, (body) => this.#say(body));
    const stream = client.session();
    let heard = Date.now();
    let heartbeatMs = WELCOME_MS / 3;
    let renewed = false;
    let timer: NodeJS.Timeout | undefined;
    try {
      const text = await new Promise<string>((resolve) => {
        const tick = (): void => {
          if (Date.now() - heard > heartbeatMs * 3) return resolve('the controller is silent');
          if (this.#welcomed) this.#say({ $case: 'heartbeat', value: { sentAtMs: BigInt(Date.now()) } });
          void this.#tellNewKeys();
          timer = setTimeout(tick, heartbeatMs);
        };
        timer = setTimeout(tick, heartbeatMs);
        ended.addEventListener('abort', () => resolve('the agent stops'), { once: true });
        stream.on('error', (error: grpc.ServiceError) => resolve(error.details || error.message));
        stream.on('end', () => resolve(ENDED));
        stream.on('drain', () => this.#flush());
        stream.on('data', (message: ControllerMessage) => {
          heard = Date.now();
          if (message.body?.$case === 'welcome') {
            heartbeatMs = message.body.value.heartbeatIntervalMs || heartbeatMs;
            void this.#onWelcome(stream, client, ended).then((done) => {
              renewed = done;
              if (done) resolve('the certificate was renewed');
            });
          } else this.#onMessage(message, logs);
        });
        void this.#hello(stream).catch((error: unknown) => resolve(error instanceof Error ? error.message : String(error)));
      });
      return { text, welcomed: this.#welcomed, renewed };
    } finally {
      clearTimeout(timer);
      over.abort();
      if (this.#welcomed) this.#options.onLine?.(false);
      this.#welcomed = false;
      this.#stream = undefined;
      this.#waiting.length = 0;
      logs.stop();
      stream.on('error', () => undefined);
      stream.cancel();
      client.close();
    }
  }

  async #hello(stream: grpc.ClientDuplexStream<AgentMessage, ControllerMessage>): Promise<void> {
    const { engine, journal, secrets, version, instanceId } = this.#options;
    const engineVersion = await engine.version(AbortSignal.timeout(10_000)).catch(() => '');
    this.#toldKeys = secrets.recipients.join();
    stream.write({
      messageId: ++this.#messageId,
      body: {
        $case: 'hello',
        value: {
          protocol: PROTOCOL,
          agentVersion: version,
          nodeType: engine.type,
          simulated: engine.simulated,
          engineVersion,
          instanceId,
          attemptsInHand: this.#worker.inHand,
          highestFencingToken: journal.highestFence,
          secretRecipients: [...secrets.recipients],
        },
      },
    });
  }

  /** A rotation while the agent runs is seen with the next heartbeat. */
  async #tellNewKeys(): Promise<void> {
    const { secrets, log } = this.#options;
    try {
      await secrets.refresh();
      const recipients = [...secrets.recipients];
      if (!this.#welcomed || recipients.join() === this.#toldKeys) return;
      this.#toldKeys = recipients.join();
      this.#say({ $case: 'secretRecipients', value: { recipients } });
    } catch (error) {
      log.warn({ err: error }, "the keys of this node's secrets cannot be read; those in memory stay in use");
    }
  }

  /** As `#renewWhenDue`. What the controller says next waits until it is known whether this process may act. */
  async #onWelcome(stream: grpc.ClientDuplexStream<AgentMessage, ControllerMessage>, client: AgentLinkClient, ended: AbortSignal): Promise<boolean> {
    if (this.#options.mayAct !== undefined) {
      stream.pause();
      const may = await this.#options.mayAct();
      if (!may || ended.aborted) return false;
      stream.resume();
    }
    this.#stream = stream;
    this.#welcomed = true;
    this.#blocked = false;
    this.#options.onLine?.(true);
    this.#options.log.info({ team: this.#identity.team, node: this.#identity.node }, 'connected to the controller');
    this.#resume();
    this.#updater.forget();
    for (const result of this.#worker.unacknowledged) this.#say({ $case: 'attemptResult', value: result });
    this.#observer.everything();
    this.#follower.everything();
    return this.#renewWhenDue(client, ended);
  }

  #resume(): void {
    if (this.#resumed) return;
    this.#resumed = true;
    this.#worker.resume();
  }

  #onMessage(message: ControllerMessage, logs: LogSender): void {
    if (!this.#welcomed) return;
    const body = message.body;
    switch (body?.$case) {
      case 'startAttempt':
        return this.#worker.start(body.value);
      case 'cancelAttempt':
        return this.#worker.cancel(body.value);
      case 'resultAcknowledged':
        return this.#worker.acknowledged(body.value.attemptId);
      case 'agentUpdate':
        return this.#updater.want(body.value);
      case 'requestLogs':
        return logs.begin(body.value satisfies RequestLogs);
      case 'stopLogs':
        return logs.end(body.value.requestId);
      default:
        return; // heartbeats, and what a newer controller may say
    }
  }

  /** Said only into a welcomed session: before, the controller does not listen, and what matters is said again after. */
  #say(body: NonNullable<AgentMessage['body']>): void {
    if (!this.#welcomed) return;
    if (this.#waiting.length >= MAX_WAITING) {
      const dispensable = this.#waiting.findIndex((message) => message.body?.$case === 'attemptEvent' || message.body?.$case === 'heartbeat');
      if (dispensable >= 0) this.#waiting.splice(dispensable, 1);
      else this.#waiting.shift();
    }
    // The one place that all messages pass: what was opened is masked in them (R27).
    this.#waiting.push({ messageId: ++this.#messageId, body: this.#options.secrets.scrub(body) });
    if (!this.#blocked) this.#flush();
  }

  #flush(): void {
    this.#blocked = false;
    while (!this.#blocked && this.#stream !== undefined) {
      const message = this.#waiting.shift();
      if (message === undefined) return;
      this.#blocked = !this.#stream.write(message);
    }
  }

  /** True once a new certificate is kept; the session is then made anew with it. The old one stays until that. */
  async #renewWhenDue(client: AgentLinkClient, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      const wait = renewalDue(this.#identity.certificate).getTime() - Date.now();
      await sleep(Math.min(Math.max(wait, 0), 3_600_000), signal);
      if (signal.aborted) return false;
      if (renewalDue(this.#identity.certificate).getTime() > Date.now()) continue;
      try {
        const { key, request } = await newKey();
        const response = await new Promise<{ certificate: string; authority: string }>((resolve, reject) => {
          client.renewCertificate({ certificateRequest: request }, new grpc.Metadata(), { deadline: Date.now() + RENEW_MS }, (error, value) => (error === null ? resolve(value) : reject(new AgentError('ControllerUnreachable', error.details, { cause: error }))));
        });
        const identity = { ...this.#identity, key, certificate: response.certificate, authority: response.authority };
        this.#options.saveIdentity(identity);
        this.#identity = identity;
        return true;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'the certificate could not be renewed; it is tried again');
        await sleep(60_000, signal);
      }
    }
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || ms <= 0) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

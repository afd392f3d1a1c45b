/** Both ends of the line, over real gRPC and TLS on loopback; the engine and the directory of nodes are the test's own. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { SecureVersion } from 'node:tls';
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import type { AttemptContext, AttemptEnd, Engine, LogLine } from '../../agents/core/engine.ts';
import { enrol, loadIdentity } from '../../agents/core/identity.ts';
import { runAgent } from '../../agents/main.ts';
import type { AttemptResult, Hello, Observation } from '../../proto/gen/agent/v1/agent.ts';
import { AttemptKind, AttemptOutcome } from '../../proto/gen/agent/v1/agent.ts';
import { exitSoon } from '../cli/until-signal.ts';
import { silentLogger } from '../log.ts';
import type { FaultProxy } from '../testing/fault-proxy.ts';
import { faultProxy } from '../testing/fault-proxy.ts';
import { sleepUntil } from '../testing/sleep-until.ts';
import { Authority } from './authority.ts';
import { hashEnrolmentToken, newEnrolmentToken } from './enrolment-token.ts';
import type { AgentListeners, NodeDirectory } from './listeners.ts';
import { listenForAgents } from './listeners.ts';
import type { AgentSession, SessionHandler } from './session.ts';

const DAYS = 86_400_000;
let behindMs = 0;
const quiet = { info: () => undefined, warn: () => undefined };

/** An engine whose attempts end when the test says so. */
class ScriptedEngine implements Engine {
  readonly type = 'docker';
  readonly simulated = true;
  readonly deploys: { readonly id: bigint; readonly resumed: boolean; end(end: AttemptEnd): void }[] = [];
  lines = 3;
  produced = 0;
  version = async () => 'scripted';
  baseline = async () => null;
  away = false;
  observe = async () => {
    if (this.away) throw new Error('the engine is away');
    return [];
  };
  async deploy(_spec: unknown, _previous: unknown, context: AttemptContext): Promise<AttemptEnd> {
    context.progress('pull', 'pulling');
    return new Promise((resolve) => {
      this.deploys.push({ id: context.attemptId, resumed: context.resumed, end: resolve });
      context.cancel.addEventListener('abort', () => resolve({ outcome: 'cancelled', reason: 'told to', restored: true, containers: [] }));
    });
  }
  async remove(): Promise<AttemptEnd> {
    return SUCCESS;
  }
  async watch(_team: string, _onChange: unknown, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }
  async *logs(_request: unknown, signal: AbortSignal): AsyncGenerator<LogLine> {
    for (let index = 0; index < this.lines && !signal.aborted; index++) {
      this.produced++;
      yield { at: new Date(0), stream: 'stdout', text: `line ${index} ${'x'.repeat(this.lines > 100 ? 10_000 : 0)}` };
      if (index % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const SUCCESS: AttemptEnd = { outcome: 'succeeded', digests: [{ name: 'web', image: 'web:1', digest: 'sha256:1' }], containers: [] };

class Directory implements NodeDirectory {
  readonly tokens = new Map<string, { node: string; used: boolean; expired: boolean }>();
  readonly serials = new Map<string, 'ok' | 'revoked'>();
  consumed = 0;
  async consume(hash: string) {
    this.consumed++;
    const token = this.tokens.get(hash);
    if (token === undefined) return { refused: 'the token is unknown' };
    if (token.used) return { refused: 'the token was used before' };
    if (token.expired) return { refused: 'the token has expired' };
    token.used = true;
    return { team: 'acme', node: token.node, nodeType: 'docker' };
  }
  async recordCertificate(certificate: { serial: string }) {
    this.serials.set(certificate.serial, 'ok');
  }
  async authorize({ serial }: { serial: string }) {
    return this.serials.get(serial) ?? ('unknown' as const);
  }
  mint(node = 'harbor', expired = false): string {
    const token = newEnrolmentToken();
    this.tokens.set(hashEnrolmentToken(token), { node, used: false, expired });
    return token;
  }
}

class Recorder implements SessionHandler {
  session: AgentSession | undefined;
  hello: Hello | undefined;
  connections = 0;
  fence = 1n;
  readonly results: AttemptResult[] = [];
  readonly observations: Observation[] = [];
  readonly events: string[] = [];
  readonly refused: string[] = [];
  readonly gone: string[] = [];
  failStore = 0;
  async onConnected(session: AgentSession, hello: Hello) {
    this.session = session;
    this.hello = hello;
    return { fencingToken: this.fence };
  }
  onReady() {
    this.connections++;
  }
  async onHeartbeat() {}
  async onAttemptEvent(_session: AgentSession, event: { step: string }) {
    this.events.push(event.step);
  }
  async onAttemptResult(_session: AgentSession, result: AttemptResult) {
    if (this.failStore-- > 0) throw new Error('the database is away');
    this.results.push(result);
  }
  async onAttemptRefused(_session: AgentSession, refused: { code: string; reason: string }) {
    this.refused.push(`${refused.code}: ${refused.reason}`);
  }
  async onObservation(_session: AgentSession, observation: Observation) {
    this.observations.push(observation);
  }
  readonly recipients: string[][] = [];
  async onRecipients(_session: AgentSession, recipients: readonly string[]) {
    this.recipients.push([...recipients]);
  }
  async onImageDigests() {}
  async onAgentUpdate() {}
  async onDisconnected(_session: AgentSession, reason: string) {
    this.gone.push(reason);
  }
}

interface World {
  authority: Authority;
  directory: Directory;
  handler: Recorder;
  listeners: AgentListeners;
  proxy: FaultProxy;
  engine: ScriptedEngine;
  home: string;
  stop: AbortController;
  agent: Promise<void> | undefined;
}

async function world(): Promise<World> {
  const { authority } = await Authority.create(() => new Date(Date.now() - behindMs));
  const directory = new Directory();
  const handler = new Recorder();
  const listeners = await listenForAgents({ authority, directory, handler, log: silentLogger(), version: '1', agents: { host: '127.0.0.1', port: 0 }, enrolment: { host: '127.0.0.1', port: 0 }, hosts: [], heartbeatMs: 1_000, renewalCheckMs: 200 });
  const proxy = await faultProxy(listeners.agentPort);
  return { authority, directory, handler, listeners, proxy, engine: new ScriptedEngine(), home: mkdtempSync(join(tmpdir(), 'tagboat-link-')), stop: new AbortController(), agent: undefined };
}

function run(w: World, token: string | undefined = w.directory.mint()): void {
  const enrolment = token === undefined ? undefined : { address: `127.0.0.1:${w.listeners.enrolPort}`, fingerprint: w.authority.fingerprint(), token };
  w.agent = runAgent({ directory: w.home, controller: `127.0.0.1:${w.proxy.port}`, enrolment, engine: w.engine, version: '0.9', log: quiet }, w.stop.signal);
}

async function close(w: World): Promise<void> {
  w.stop.abort();
  await w.agent;
  await w.proxy.close();
  await w.listeners.stop();
  rmSync(w.home, { recursive: true, force: true });
}

function start(w: World, attemptId: bigint, spec: object = SPEC): void {
  w.handler.session!.startAttempt({ attemptId, kind: AttemptKind.ATTEMPT_KIND_DEPLOY, specJson: JSON.stringify(spec), remove: undefined, remainingMs: 60_000 });
}

const SPEC = {
  specVersion: 1, team: 'acme', deployment: 'shop', product: 'shop', version: 'main', versionKind: 'rolling', node: 'harbor', prefix: 'shop',
  images: [{ name: 'web', image: 'web:1', dependsOn: [], config: {}, strategy: 'start-first' }], timeouts: { attempt: '1m', pull: '1m', health: '1m' }, selfHeal: false,
};

const test = suite('link');
test.after(() => exitSoon());

/** `ageMs`: how far the authority's clock is behind at first, which makes its first certificates that old. */
function scene(name: string, body: (w: World) => Promise<void>, ageMs = 0): void {
  test(name, async () => {
    behindMs = ageMs;
    const w = await world();
    try {
      await body(w);
    } finally {
      await close(w);
    }
  });
}

scene('enrols once, keeps its key to itself, and brings a result back that is then forgotten', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1, { what: 'the first session' });
  assert.is(statSync(join(w.home, 'identity.json')).mode & 0o777, 0o600);
  assert.is(w.handler.hello?.simulated, true);
  start(w, 7n);
  start(w, 7n);
  await sleepUntil(() => w.engine.deploys.length > 0);
  w.engine.deploys[0]!.end(SUCCESS);
  await sleepUntil(() => w.handler.results.length > 0);
  assert.is(w.engine.deploys.length, 1, 'a command that comes twice is carried out once');
  assert.is(w.handler.results[0]!.outcome, AttemptOutcome.ATTEMPT_OUTCOME_SUCCEEDED);
  assert.is(w.handler.results[0]!.digests[0]!.digest, 'sha256:1');
  assert.equal(w.handler.events, ['pull']);
  await sleepUntil(() => w.handler.observations.length > 0);
  assert.is(w.handler.observations[0]!.complete, true);
});

scene('wrongFingerprint: the token is not sent', async (w) => {
  const token = w.directory.mint();
  const other = (await Authority.create()).authority.fingerprint();
  const refused = await enrol({ address: `127.0.0.1:${w.listeners.enrolPort}`, fingerprint: other, token, nodeType: 'docker', simulated: true, version: '1' }).then(() => '', (error: { code: string }) => error.code);
  assert.is(refused, 'FingerprintMismatch');
  assert.is(w.directory.consumed, 0);
});

scene('tokenUsedTwice, tokenExpired, tokenUnknown: refused with the reason', async (w) => {
  const attempt = (token: string) =>
    enrol({ address: `127.0.0.1:${w.listeners.enrolPort}`, fingerprint: w.authority.fingerprint(), token, nodeType: 'docker', simulated: true, version: '1' }).then(() => 'enrolled', (error: Error) => error.message);
  const token = w.directory.mint();
  assert.is(await attempt(token), 'enrolled');
  assert.match(await attempt(token), /used before/);
  assert.match(await attempt(w.directory.mint('harbor', true)), /expired/);
  assert.match(await attempt('tgb_no'), /unknown/);
});

/** Of the certificate that a listener shows. */
async function serialOf(port: number, maxVersion: SecureVersion = 'TLSv1.3'): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, minVersion: 'TLSv1.2', maxVersion }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

scene('agentCertificateDue: renewed over the link with a new key; the next session uses it and the old one stays good till then', async (w) => {
  const token = w.directory.mint();
  run(w, token);
  await sleepUntil(() => loadIdentity(w.home) !== undefined);
  const first = loadIdentity(w.home)!;
  behindMs = 0;
  await sleepUntil(() => w.handler.connections === 2, { what: 'a session with the renewed certificate' });
  const renewed = loadIdentity(w.home)!;
  assert.is.not(renewed.certificate, first.certificate);
  assert.is.not(renewed.key, first.key);
  assert.is(w.directory.serials.size, 2);
  assert.is(w.directory.consumed, 1, 'no token was needed');
  start(w, 1n);
  await sleepUntil(() => w.engine.deploys.length === 1);
  w.engine.deploys[0]!.end(SUCCESS);
  await sleepUntil(() => w.handler.results.length === 1);
  assert.is(w.handler.connections, 2, 'it is renewed once');
}, 25 * DAYS);

scene('serverCertificateDue: both listeners show a new one without a restart, still with TLS 1.3 only, and agents can enrol and connect', async (w) => {
  const ports = [w.listeners.agentPort, w.listeners.enrolPort];
  const before = await Promise.all(ports.map((port) => serialOf(port)));
  behindMs = 0;
  await sleepUntil(async () => (await serialOf(ports[0]!)) !== before[0] && (await serialOf(ports[1]!)) !== before[1], { what: 'a new certificate on both listeners' });
  for (const port of ports) assert.match(await serialOf(port, 'TLSv1.2').then(() => 'connected', (error: Error) => error.message), /protocol version/);
  run(w);
  await sleepUntil(() => w.handler.connections === 1, { what: 'a session over the new certificate' });
}, 61 * DAYS);

scene('tls12: refused by both listeners', async (w) => {
  for (const port of [w.listeners.agentPort, w.listeners.enrolPort]) {
    const outcome = await new Promise<string>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' }, () => resolve('connected'));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
    assert.is(outcome, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  }
});

scene('foreignCertificate: another authority opens no session', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  const foreign = await listenForAgents({ authority: (await Authority.create()).authority, directory: w.directory, handler: new Recorder(), log: silentLogger(), version: '1', agents: { host: '127.0.0.1', port: 0 }, enrolment: { host: '127.0.0.1', port: 0 }, hosts: [] });
  const stop = new AbortController();
  const home = mkdtempSync(join(tmpdir(), 'tagboat-link-'));
  const warnings: string[] = [];
  const enrolment = { address: `127.0.0.1:${foreign.enrolPort}`, fingerprint: 'sha256:0', token: 'x' };
  await runAgent({ directory: home, controller: `127.0.0.1:${foreign.agentPort}`, enrolment, engine: new ScriptedEngine(), version: '1', log: quiet }, stop.signal).catch((error: { code: string }) => warnings.push(error.code));
  assert.equal(warnings, ['FingerprintMismatch']);
  await foreign.stop();
  rmSync(home, { recursive: true });
});

scene('lineCut in mid-attempt: the result is delivered after it, once', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  start(w, 1n);
  await sleepUntil(() => w.engine.deploys.length === 1);
  w.proxy.cut();
  await sleepUntil(() => w.handler.gone.length === 1);
  w.engine.deploys[0]!.end(SUCCESS);
  w.proxy.mend();
  await sleepUntil(() => w.handler.results.length === 1, { what: 'the result after the cut' });
  await sleepUntil(() => readdirSync(join(w.home, 'journal/attempts')).length === 0, { what: 'the acknowledgement' });
  const sessions = w.handler.connections;
  w.proxy.cut();
  w.proxy.mend();
  await sleepUntil(() => w.handler.connections > sessions);
  await sleepUntil(() => w.handler.observations.filter((one) => one.complete).length > sessions);
  assert.is(w.handler.results.length, 1, 'an acknowledged result is not sent again');
});

scene('resultNotStored: not acknowledged, so it comes again', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  w.handler.failStore = 2;
  start(w, 1n);
  await sleepUntil(() => w.engine.deploys.length === 1);
  w.engine.deploys[0]!.end(SUCCESS);
  await sleepUntil(() => w.handler.results.length === 1, { what: 'the result that was stored at last' });
  assert.ok(w.handler.connections >= 3);
});

scene('engineAway from the start: an agent that remembers nothing does not say that nothing is there', async (w) => {
  w.engine.away = true;
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.equal(w.handler.observations, []);
  w.engine.away = false;
  await sleepUntil(() => w.handler.observations.length > 0, { what: 'what is there, once it can be seen' });
  assert.is(w.handler.observations[0]!.complete, true);
});

scene('textsThatNoRowHolds: what a container printed arrives with its NULs replaced', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  start(w, 1n);
  await sleepUntil(() => w.engine.deploys.length === 1);
  w.engine.deploys[0]!.end({ outcome: 'failed', code: 'ContainerExited', reason: 'it said \0', restored: true, evidence: [{ container: 'web', logLines: ['a\0b'], healthOutput: ['\0'] }], containers: [] });
  await sleepUntil(() => w.handler.results.length === 1);
  const { reason, evidence } = w.handler.results[0]!;
  assert.equal([reason, evidence], ['it said \uFFFD', [{ container: 'web', logLines: ['a\uFFFDb'], healthOutput: ['\uFFFD'] }]]);
});

scene('agentRestarted in mid-attempt: taken up again as resumed', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  start(w, 1n);
  await sleepUntil(() => w.engine.deploys.length === 1);
  w.stop.abort();
  await w.agent;
  w.stop = new AbortController();
  w.engine = new ScriptedEngine();
  run(w, undefined);
  await sleepUntil(() => w.engine.deploys.length === 1, { what: 'the attempt taken up again' });
  assert.is(w.engine.deploys[0]!.resumed, true);
  await sleepUntil(() => w.handler.connections === 2);
  assert.equal(w.handler.hello?.attemptsInHand, [1n]);
  w.engine.deploys[0]!.end(SUCCESS);
  await sleepUntil(() => w.handler.results.length === 1);
});

scene('staleFencingToken: an old controller is not obeyed', async (w) => {
  w.handler.fence = 5n;
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  start(w, 1n);
  await sleepUntil(() => w.engine.deploys.length === 1);
  w.handler.fence = 4n;
  w.proxy.cut();
  w.proxy.mend();
  await sleepUntil(() => w.handler.connections === 2);
  start(w, 2n);
  await sleepUntil(() => w.handler.refused.length === 1);
  assert.match(w.handler.refused[0]!, /^StaleFencingToken/);
  assert.is(w.engine.deploys.length, 1);
});

scene('cancelled: the engine is told and the end says so', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  start(w, 1n);
  await sleepUntil(() => w.engine.deploys.length === 1);
  w.handler.session!.cancelAttempt(1n, 'superseded');
  await sleepUntil(() => w.handler.results.length === 1);
  assert.is(w.handler.results[0]!.outcome, AttemptOutcome.ATTEMPT_OUTCOME_CANCELLED);
});

scene('newerField: an agent that does not know it refuses the attempt', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  start(w, 1n, { ...SPEC, quantum: true });
  await sleepUntil(() => w.handler.refused.length === 1);
  assert.match(w.handler.refused[0]!, /SpecRefused: agent 0\.9 does not understand.*quantum/);
});

scene('otherNode: a specification for somebody else is refused (R1)', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  start(w, 1n, { ...SPEC, team: 'rival' });
  await sleepUntil(() => w.handler.refused.length === 1);
  assert.match(w.handler.refused[0]!, /is for rival\/harbor/);
});

scene('revoked: cut at once, and kept out with its keys kept', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  for (const serial of w.directory.serials.keys()) w.directory.serials.set(serial, 'revoked');
  w.listeners.cut('acme', 'harbor', 'revoked');
  await sleepUntil(() => w.handler.gone.length === 1, { what: 'the cut' });
  await new Promise((resolve) => setTimeout(resolve, 800));
  assert.is(w.handler.connections, 1);
  assert.ok(loadIdentity(w.home));
  for (const serial of w.directory.serials.keys()) w.directory.serials.set(serial, 'ok');
  await sleepUntil(() => w.handler.connections === 2, { what: 'the node known again' });
});

scene('enrolledAnew: a revoked node comes back with a new token, keeps its old key, and a used token in its service file does no harm', async (w) => {
  const first = w.directory.mint();
  run(w, first);
  await sleepUntil(() => w.handler.connections === 1);
  const restart = async (token: string): Promise<void> => {
    w.stop.abort();
    await w.agent;
    w.stop = new AbortController();
    run(w, token);
  };
  await restart(first);
  await sleepUntil(() => w.handler.connections === 2, { what: 'a session after a restart with the used token' });
  assert.is(w.directory.consumed, 1);

  const before = loadIdentity(w.home)!;
  for (const serial of w.directory.serials.keys()) w.directory.serials.set(serial, 'revoked');
  w.listeners.cut('acme', 'harbor', 'revoked');
  await restart(w.directory.mint());
  await sleepUntil(() => w.handler.connections === 3, { what: 'a session with the new identity' });
  assert.is.not(loadIdentity(w.home)!.key, before.key);
  const kept = readdirSync(w.home).filter((name) => name.startsWith('identity.until-'));
  assert.equal(kept.map((name) => (JSON.parse(readFileSync(join(w.home, name), 'utf8')) as { key: string }).key), [before.key]);

  await restart(w.directory.mint('harbor', true));
  await sleepUntil(() => w.handler.connections === 4, { what: 'a session although the token was refused' });
  await restart(w.directory.mint('elsewhere'));
  const refused = await w.agent!.then(() => '', (error: Error) => error.message);
  assert.match(refused, /is the home of node harbor/);
  w.agent = undefined;
});

scene('silentController: an agent that hears nothing comes back', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  w.handler.session!.close('the test says so');
  await sleepUntil(() => w.handler.connections === 2);
});

scene('logs: lines come in order, and a slow reader does not let them pile up', async (w) => {
  run(w);
  await sleepUntil(() => w.handler.connections === 1);
  const texts: string[] = [];
  for await (const line of w.handler.session!.requestLogs({ prefix: 'shop', container: 'shop-web', tail: 10, follow: false }, AbortSignal.timeout(60_000))) texts.push(line.text.trim());
  assert.equal(texts, ['line 0', 'line 1', 'line 2']);
  w.engine.lines = 20_000;
  w.engine.produced = 0;
  let read = 0;
  for await (const line of w.handler.session!.requestLogs({ prefix: 'shop', container: 'shop-web', tail: 10, follow: true }, AbortSignal.timeout(60_000))) {
    if (line.text !== '' && ++read === 1) await new Promise((resolve) => setTimeout(resolve, 700));
    if (read > 50) break;
  }
  assert.ok(w.engine.produced < 5_000, `flow control holds the engine back; it produced ${w.engine.produced} lines`);
});

test.run();

/**
 * The composition root: every room is built here and handed what it needs, and stopped in the opposite order. Nothing else
 * knows all of them.
 */
import { setMaxListeners } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { DatabasePool } from 'slonik';
import type { LogLine as WireLogLine } from '../proto/gen/agent/v1/agent.ts';
import { encodeJoin } from '../proto/join.ts';
import type { ControllerConfig, TeamConfig } from './config.ts';
import { TagboatError } from './errors.ts';
import { askAnonymously } from './forges/anonymous.ts';
import { openForge } from './forges/open-forge.ts';
import { Mirror } from './git/mirror.ts';
import { parseRemote } from './git/remote.ts';
import { Authority } from './link/authority.ts';
import { clusterAgentManifest } from './link/cluster-manifest.ts';
import { hashEnrolmentToken, newEnrolmentToken } from './link/enrolment-token.ts';
import { imageOfVersion, installLine, installScript } from './link/install-line.ts';
import type { AgentListeners } from './link/listeners.ts';
import { listenForAgents } from './link/listeners.ts';
import { readFromReplica } from './link/replicas.ts';
import { loadOrCreateKeyFile, openAtRest, sealAtRest } from './link/seal-at-rest.ts';
import { ParseCache } from './manifests/parse-cache.ts';
import type { Metrics } from './metrics.ts';
import { boundedLabel, createMetrics } from './metrics.ts';
import { packageVersion } from './package-root.ts';
import { runDeliveryLoop } from './notify/delivery-loop.ts';
import { Bell } from './reconcile/bell.ts';
import { NodeSessions } from './reconcile/node-sessions.ts';
import { ProductSources } from './reconcile/product-sources.ts';
import { RepositoryReader } from './reconcile/read-repository.ts';
import { DeliveryLoop } from './reconcile/reviews/delivery-loop.ts';
import { OpenAsker } from './reconcile/reviews/open-asker.ts';
import { REQUEST_PREFIXES, selectRequests } from './reconcile/reviews/requests.ts';
import { ReviewLoop } from './reconcile/reviews/review-loop.ts';
import { runSweepLoop } from './reconcile/sweep-loop.ts';
import { TeamLoop } from './reconcile/team-loop.ts';
import { appendAudit } from './store/audit.ts';
import { nodeLease } from './store/attempts.ts';
import { keepAuthority, loadAuthority } from './store/authority.ts';
import { loadOwners } from './store/deployments.ts';
import { keepEmbeddedDatabase } from './store/embedded-keeper.ts';
import { loadFollowed } from './store/followed.ts';
import { addressOf, holderOf, newHolder } from './store/lease.ts';
import { createListener } from './store/listen.ts';
import { migrate } from './store/migrate.ts';
import { authorizeCertificate, consumeEnrolment, loadRecipients, revokeNode, saveCertificate, saveEnrolment } from './store/nodes.ts';
import { CHANNELS } from './store/notify.ts';
import type { PlanRequest } from './store/notify.ts';
import { createStorePool } from './store/pool.ts';
import { closeReviews } from './store/reviews.ts';
import { loadAccepted, saveTeam } from './store/teams.ts';
import { loadFrozenVersions } from './store/versions.ts';
import { createWeb } from './web/app.ts';
import { ChangeFeed } from './web/change-feed.ts';
import type { LogLine, MintedEnrolment, NodeAdministration, NodeLogs, TeamReadiness } from './web/context.ts';
import { loadOrCreateOperatorToken } from './web/operator-token.ts';
import { startWeb } from './web/server.ts';

/** How long a pasted line is good for (R4). */
const ENROLMENT_TTL_MS = 60 * 60_000;

export interface Controller {
  /** Of the page and the API. */
  readonly url: string;
  readonly agentPort: number;
  readonly enrolPort: number;
  readonly fingerprint: string;
  readonly nodes: NodeAdministration;
  /** As /readyz sees them. */
  teams(): readonly TeamReadiness[];
  /** What a webhook does: the next poll comes now. */
  pollSoon(team: string): void;
  /** Rejects when the controller cannot go on (its database gave up). */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

export async function startController(config: ControllerConfig, log: Logger): Promise<Controller> {
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step().catch((error: unknown) => log.warn({ err: error }, 'a part did not stop cleanly'));
  };
  try {
    return await compose(config, log, undo, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function compose(config: ControllerConfig, log: Logger, undo: (() => Promise<void>)[], stop: () => Promise<void>): Promise<Controller> {
  mkdirSync(config.dataDirectory, { recursive: true, mode: 0o700 });
  const metrics = createMetrics();
  const holder = newHolder(config.replicaAddress ?? undefined);
  const ending = new AbortController();
  // Every team waits for it.
  setMaxListeners(0, ending.signal);
  const database = await openDatabase(config, log, undo);
  await migrate({ url: database.url, log });
  const pool = await createStorePool({ url: database.url, log });
  undo.push(() => pool.end());
  const authority = await openAuthority(config, pool, log);
  for (const team of config.teams) await saveTeam(pool, { ...team, repository: parseRemote(team.repository).url });

  const sessions = new NodeSessions({
    pool,
    log,
    holder,
    agentImage: (version) => imageOfVersion(config.agentImage, version),
    onAttemptEnd: (kind, outcome, ms) => {
      metrics.attempts.inc({ kind, outcome });
      metrics.attemptDuration.observe({ kind }, ms / 1_000);
    },
  });
  const listeners = await listenForAgents({
    authority,
    directory: {
      consume: (hash) => consumeEnrolment(pool, hash),
      recordCertificate: (certificate) => saveCertificate(pool, certificate),
      authorize: ({ team, node, serial }) => authorizeCertificate(pool, team, node, serial),
    },
    handler: sessions,
    log,
    version: packageVersion(),
    agents: config.listeners.agents,
    enrolment: config.listeners.enrolment,
    hosts: [],
    onSessions: (count) => metrics.agentSessions.set(count),
  });
  undo.push(async () => {
    await listeners.stop();
    await sessions.stop();
  });

  const loops = new Map<string, TeamLoop>();
  const running: Promise<void>[] = [];
  undo.push(async () => {
    ending.abort();
    await Promise.allSettled(running);
  });
  for (const team of config.teams) {
    const loop = await teamLoop(config, team, pool, holder, metrics, log, undo);
    loops.set(team.name, loop);
  }
  const changes = new ChangeFeed({ pool, log });
  const notifications = new Bell();
  const urls = new Map(config.teams.map((team) => [team.name, new Map(team.notificationUrls.map(({ name, url }) => [name, url]))]));
  const listener = await createListener(
    database.url,
    Object.values(CHANNELS),
    (channel, payload) => {
      if (channel === CHANNELS.work) return sessions.wake(payload);
      if (channel === CHANNELS.changes) return changes.notice(payload);
      if (channel === CHANNELS.poll) return loops.get(payload)?.hasten();
      if (channel === CHANNELS.notifications) return notifications.ring();
      const request = JSON.parse(payload) as PlanRequest;
      loops.get(request.team)?.planSoon(request.deployments);
    },
    {
      log,
      onReconnect: () => {
        sessions.wakeAll();
        changes.missed();
        notifications.ring();
        for (const loop of loops.values()) loop.planSoon();
      },
    },
  );
  undo.push(() => listener.close());
  for (const loop of loops.values()) running.push(loop.run(ending.signal));
  running.push(runSweepLoop({ pool, log, retention: config.retention }, ending.signal));
  running.push(runDeliveryLoop({
    pool,
    log,
    bell: notifications,
    publicUrl: config.publicUrl,
    allowPrivate: config.notifications.allowPrivateAddresses,
    keepMs: config.retention.eventsMs,
    urlOf: (team, name) => urls.get(team)?.get(name),
    onResult: (team, channel, result) => metrics.notifications.inc({ team, channel, result }),
  }, ending.signal));

  const nodes = nodeAdministration(config, pool, authority, listeners, () => web.url);
  const teams = (): TeamReadiness[] => [...loops].map(([name, { state }]) => ({ name, state: state === undefined ? 'pending' : state.ok ? 'ready' : 'failed', reason: state?.ok === false ? state.reason : '' }));
  const hooks = new Map(config.teams.map(({ name, webhookSecret: secret, reviews }) => [name, { secret, reviews: reviews.limit > 0, reviewBranches: reviews.branches }]));
  const closing = new AbortController();
  const web = await startWeb(
    createWeb({ pool, log, metrics, hooks, readiness: { teams }, nodes, logs: nodeLogs(sessions, { pool, authority, holder }), changes, hasNotificationUrl: (team, name) => urls.get(team)?.has(name) === true, closing: closing.signal, version: packageVersion(), config: { public: config.public, publicUrl: config.publicUrl, oidc: config.oidc, trustedProxies: config.trustedProxies }, operatorToken: await loadOrCreateOperatorToken(config.operatorTokenFile) }),
    config.listeners.http,
  );
  undo.push(() => {
    closing.abort();
    return web.stop();
  });
  await pool.transaction((tx) => appendAudit(tx, { team: '', actor: 'controller', action: 'controller.started', object: 'controller', result: 'accepted', detail: { version: packageVersion() } }));
  log.info({ url: web.url, agents: listeners.agentPort, enrolment: listeners.enrolPort, teams: config.teams.length }, 'the controller is up');
  return {
    url: web.url,
    agentPort: listeners.agentPort,
    enrolPort: listeners.enrolPort,
    fingerprint: authority.fingerprint(),
    nodes,
    teams,
    pollSoon: (team) => loops.get(team)?.pollSoon(),
    failed: database.failed,
    stop,
  };
}

async function openDatabase(config: ControllerConfig, log: Logger, undo: (() => Promise<void>)[]): Promise<{ url: string; failed: Promise<never> }> {
  if (config.database.kind === 'url') return { url: config.database.url.reveal(), failed: new Promise(() => undefined) };
  const embedded = await keepEmbeddedDatabase({ directory: config.dataDirectory, log: { info: (text: string) => log.info(text), warn: (text: string) => log.warn(text) } });
  undo.push(() => embedded.stop());
  return {
    url: embedded.url,
    failed: embedded.gaveUp.then((error) => {
      throw error;
    }),
  };
}

/** The first replica makes the authority; all others load it. The key to it is not in the database. */
async function openAuthority(config: ControllerConfig, pool: DatabasePool, log: Logger): Promise<Authority> {
  const key = loadOrCreateKeyFile(config.encryptionKeyFile);
  let sealed = await loadAuthority(pool);
  if (sealed === undefined) {
    const { bundle } = await Authority.create();
    sealed = await keepAuthority(pool, sealAtRest(key, bundle));
    log.info('made the certificate authority for agents');
  }
  return Authority.load(openAtRest(key, sealed));
}

/** Requests whose commits stay in a mirror, of those that were fetched. */
const MOST_KEPT = 1_000;

/** Of what products name; a team's own repository is always shown. */
const shownRepository = boundedLabel(200);

async function teamLoop(config: ControllerConfig, team: TeamConfig, pool: DatabasePool, holder: string, metrics: Metrics, log: Logger, undo: (() => Promise<void>)[]): Promise<TeamLoop> {
  const remote = parseRemote(team.repository, team.credentials, config.gitCa === null ? {} : { extraCa: config.gitCa });
  const onRequest = (request: { remote: string; kind: string; ok: boolean; bytes: number }): void => {
    metrics.gitRequests.inc({ team: team.name, repository: request.remote === remote.url ? remote.url : shownRepository(request.remote), kind: request.kind, result: request.ok ? 'ok' : 'failed' });
    metrics.gitBytes.inc({ team: team.name, kind: request.kind }, request.bytes);
  };
  const mirror = await Mirror.open({ directory: join(config.dataDirectory, 'mirrors', team.name), remote, onRequest });
  undo.push(() => mirror.close());
  const settings = { branch: team.branch, ...team.reviews };
  const cache = new ParseCache();
  let counted = cache.statistics;
  const rules = [...team.sources, ...config.allowedSources.map((url) => ({ url, credentials: null }))];
  const sources = new ProductSources({
    directory: join(config.dataDirectory, 'mirrors', `${team.name}.sources`),
    policy: { rules, ...(config.gitCa !== null && { extraCa: config.gitCa }) },
    cache,
    onRequest,
    onLate: () => loop.pollSoon(),
  });
  undo.push(() => sources.close());
  const reader = new RepositoryReader({
    team: team.name,
    remote,
    branch: team.branch,
    directory: team.directory,
    mirror,
    cache,
    onRequest,
    sources,
    beside: { prefixes: settings.limit === 0 ? [] : REQUEST_PREFIXES, keep: (refs) => selectRequests(refs, { ...settings, limit: settings.limit === 0 ? 0 : MOST_KEPT }).requests.map(({ gitRef, head }) => ({ ref: gitRef, oid: head })) },
    accepted: () => loadAccepted(pool, team.name),
    frozen: () => loadFrozenVersions(pool, team.name),
    owners: () => loadOwners(pool, team.name),
    recipients: () => loadRecipients(pool, team.name),
    followed: () => loadFollowed(pool, team.name),
  });
  const { forge, publicProject } = team.reviews;
  const asker = publicProject === null ? undefined : new OpenAsker({ team: team.name, log, ask: () => askAnonymously(publicProject) });
  const deliveries = forge === null ? undefined : new DeliveryLoop({ team: team.name, pool, log, forge: () => openForge(forge) });
  const mergesTellOpen = forge === null && /^(https?:\/\/|ssh:\/\/([^@/]*@)?)github\.com[:/]/.test(remote.url);
  const reviews =
    settings.limit === 0 ? undefined : new ReviewLoop({ team: team.name, branch: team.branch, directory: team.directory, pool, log, mirror, cache, reader, settings, deliveries, asker, publicUrl: config.publicUrl, mergesTellOpen, lazyRefs: forge?.provider === 'bitbucket-data-center', onPass: (examined, ms) => metrics.reviewDuration.observe({ team: team.name }, ms / 1_000 / examined) });
  if (reviews === undefined) await closeReviews(pool, team.name, []);
  const loop: TeamLoop = new TeamLoop({
    team: team.name,
    poll: team.poll,
    pool,
    holder,
    log,
    reader,
    ...(reviews && { reviews }),
    onPoll: (result) => {
      metrics.polls.inc({ team: team.name, result });
      const now = cache.statistics;
      metrics.manifestsParsed.inc({ team: team.name }, now.parses - counted.parses);
      metrics.manifestsCached.inc({ team: team.name }, now.hits - counted.hits);
      counted = now;
    },
    onPlan: (_plan, ms) => metrics.planDuration.observe({ team: team.name }, ms / 1_000),
  });
  return loop;
}

function nodeAdministration(config: ControllerConfig, pool: DatabasePool, authority: Authority, listeners: AgentListeners, url: () => string): NodeAdministration {
  const withPort = (address: string, port: number): string => address.replace(/:0$/, `:${port}`);
  const script = installScript(config.agentImage);
  return {
    installScript: script,
    mintEnrolment: async (team, node, actor): Promise<MintedEnrolment> => {
      const token = newEnrolmentToken();
      const { expiresAt, nodeType } = await saveEnrolment(pool, team, node, hashEnrolmentToken(token), actor, ENROLMENT_TTL_MS);
      const join = encodeJoin({ controller: withPort(config.agentAddress, listeners.agentPort), enrol: withPort(config.enrolAddress, listeners.enrolPort), fingerprint: authority.fingerprint(), token });
      const manifest = nodeType === 'kubernetes' ? clusterAgentManifest({ team, node, image: config.agentImage, join, expiresAt }) : null;
      const agentCommand = `tagboat agent ${nodeType} --join ${join}`;
      const command = nodeType === 'docker' ? installLine({ publicUrl: config.publicUrl.endsWith(':0') ? url() : config.publicUrl, script, join }) : agentCommand;
      return { token, expiresAt, join, command, agentCommand, manifest };
    },
    revoke: async (team, node, actor) => {
      await revokeNode(pool, team, node, actor);
      listeners.cut(team, node, 'the node was revoked');
    },
  };
}

/** Logs come through the replica that holds the agent's stream: this one, or another that said where it is reached. */
function nodeLogs(sessions: NodeSessions, self: { readonly pool: DatabasePool; readonly authority: Authority; readonly holder: string }): NodeLogs {
  return {
    async *read(request, signal): AsyncGenerator<LogLine> {
      const { team, node } = request;
      const session = sessions.session(team, node);
      if (session !== undefined) {
        let over = false;
        void session.ended.then(() => (over = true));
        for await (const line of session.requestLogs(request, signal)) yield logLine(line);
        if (over && !signal.aborted) throw new TagboatError('AgentUnreachable', `the line to node ${node} was cut`);
        return;
      }
      const holder = await holderOf(self.pool, nodeLease(team, node));
      if (holder === null || holder === self.holder) throw new TagboatError('AgentUnreachable', `node ${node} has no line to the controller just now`);
      const address = addressOf(holder);
      if (address === undefined) throw new TagboatError('AgentUnreachable', `node ${node} has its line to another replica of the controller, which has to be asked for its logs`, { hint: 'Set replicaAddress in the configuration of each replica; then they ask each other.' });
      for await (const line of readFromReplica(self.authority, address, request, signal)) yield logLine(line);
    },
  };
}

function logLine({ atMs, stream, text }: WireLogLine): LogLine {
  return { at: new Date(Number(atMs)), stream: stream === 'stderr' ? 'stderr' : 'stdout', text };
}

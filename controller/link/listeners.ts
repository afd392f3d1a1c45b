/**
 * The two listeners that agents dial (R3): one with mutual certificates for the link, one with the controller's
 * certificate alone for enrolment. TLS 1.3 on both. Nothing here knows SQL: what lasts goes through the interfaces below.
 */
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { EnrolResponse, RenewCertificateResponse } from '../../proto/gen/agent/v1/agent.ts';
import { AgentLinkService, EnrolmentService, ReplicaLinkService } from '../../proto/gen/agent/v1/agent.ts';
import type { AgentLinkServer, EnrolmentServer, ReplicaLinkServer } from '../../proto/gen/agent/v1/agent.ts';
import { TagboatError, explainError } from '../errors.ts';
import type { AgentCertificate, Authority } from './authority.ts';
import { parseAgentUri, REPLICA_URI } from './authority.ts';
import { SERVER_NAME } from '../../proto/join.ts';
import { hashEnrolmentToken } from './enrolment-token.ts';
import { ListenerCredentials } from './listener-credentials.ts';
import { LogCalls } from './log-calls.ts';
import { passLogsOn } from './replicas.ts';
import type { SessionHandler } from './session.ts';
import { AgentSession } from './session.ts';

export type Consumed = { readonly team: string; readonly node: string; readonly nodeType: string } | { readonly refused: string };

/** What the link needs remembered. */
export interface NodeDirectory {
  /** Uses an enrolment token up, atomically; single use, expiring (R4). */
  consume(tokenHash: string): Promise<Consumed>;
  recordCertificate(certificate: AgentCertificate & { readonly team: string; readonly node: string }): Promise<void>;
  authorize(of: { readonly team: string; readonly node: string; readonly serial: string }): Promise<'ok' | 'unknown' | 'revoked'>;
}

export interface ListenerOptions {
  readonly authority: Authority;
  readonly directory: NodeDirectory;
  readonly handler: SessionHandler;
  readonly log: Logger;
  readonly version: string;
  readonly agents: { readonly host: string; readonly port: number };
  readonly enrolment: { readonly host: string; readonly port: number };
  /** Further names and addresses for the certificate; agents check `SERVER_NAME`. */
  readonly hosts: readonly string[];
  readonly heartbeatMs?: number;
  /** How often the listeners' certificate is looked at; an hour unless told. */
  readonly renewalCheckMs?: number;
  onSessions?(count: number): void;
}

export interface AgentListeners {
  readonly agentPort: number;
  readonly enrolPort: number;
  /** Cuts the node's stream now; its certificate was revoked before (R4). */
  cut(team: string, node: string, reason: string): void;
  stop(): Promise<void>;
}

const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
const LIMITS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
} as const;

type Peer = { readonly team: string; readonly node: string; readonly serial: string };
type AnyCall = { getAuthContext(): { sslPeerCertificate?: { subjectaltname?: string; serialNumber: string } | undefined } | null; getPeer(): string };

export async function listenForAgents(options: ListenerOptions): Promise<AgentListeners> {
  const { authority, directory, handler, log } = options;
  const credentials = await ListenerCredentials.create({ authority, hosts: [SERVER_NAME, ...options.hosts], log, ...(options.renewalCheckMs === undefined ? {} : { checkMs: options.renewalCheckMs }) });
  const logs = new LogCalls();
  const sessions = new Map<string, AgentSession>();
  const running = new Set<Promise<void>>();
  const count = (): void => options.onSessions?.(sessions.size);

  const link: AgentLinkServer = {
    session: (stream) => {
      stream.on('error', () => undefined);
      const run = (async () => {
        const peer = await identify(stream, directory, log);
        if ('code' in peer) {
          stream.emit('error', peer);
          return;
        }
        const session = new AgentSession(stream, {
          team: peer.team,
          node: peer.node,
          handler,
          logs,
          controllerVersion: options.version,
          heartbeatMs: options.heartbeatMs ?? 10_000,
          id: randomUUID(),
          onError: (error) => log.warn({ err: error, team: peer.team, node: peer.node }, 'a message of an agent could not be handled'),
        });
        const key = `${peer.team}/${peer.node}`;
        const older = sessions.get(key);
        sessions.set(key, session);
        count();
        older?.close('the same node opened a newer stream');
        await session.run();
        if (sessions.get(key) === session) sessions.delete(key);
        count();
      })().catch((error: unknown) => log.error({ err: error }, 'a session ended with a defect'));
      running.add(run);
      void run.finally(() => running.delete(run));
    },
    renewCertificate: (call, answer) => {
      void respond(answer, async (): Promise<RenewCertificateResponse> => {
        const peer = await identify(call, directory, log);
        if ('code' in peer) throw peer;
        const issued = await authority.issueAgentCertificate(call.request.certificateRequest, peer);
        await directory.recordCertificate({ ...issued, team: peer.team, node: peer.node });
        log.info({ team: peer.team, node: peer.node, expiresAt: issued.expiresAt }, 'certificate renewed');
        return { certificate: issued.pem, authority: authority.certificate };
      });
    },
    streamLogs: (stream, answer) => {
      void (async () => {
        const peer = await identify(stream, directory, log);
        if ('code' in peer) return answer(peer);
        await logs.accept(peer, stream, answer);
      })().catch((error: unknown) => answer({ code: grpc.status.INTERNAL, details: explainError(error) }));
    },
  };

  const replicas: ReplicaLinkServer = {
    readLogs: (call) => {
      if (certificateUri(call) !== REPLICA_URI) return void call.emit('error', status(grpc.status.PERMISSION_DENIED, 'Only replicas of the controller may ask for logs here'));
      void passLogsOn(call, sessions.get(`${call.request.team}/${call.request.node}`));
    },
  };

  const enrolment: EnrolmentServer = {
    enrol: (call, answer) => {
      void respond(answer, async (): Promise<EnrolResponse> => {
        const used = await directory.consume(hashEnrolmentToken(call.request.token));
        if ('refused' in used) {
          log.warn({ peer: call.getPeer(), reason: used.refused }, 'enrolment refused');
          throw status(grpc.status.PERMISSION_DENIED, `The enrolment was refused: ${used.refused}. Mint a new one with tagboat node enroll`);
        }
        if (call.request.nodeType !== used.nodeType) throw status(grpc.status.FAILED_PRECONDITION, `Node ${used.node} is of type ${used.nodeType}, and this agent serves ${call.request.nodeType}`);
        const issued = await authority.issueAgentCertificate(call.request.certificateRequest, used);
        await directory.recordCertificate({ ...issued, team: used.team, node: used.node });
        log.info({ team: used.team, node: used.node, agent: call.request.agentVersion }, 'node enrolled');
        return { certificate: issued.pem, authority: authority.certificate, team: used.team, node: used.node };
      });
    },
  };

  const agentServer = new grpc.Server(LIMITS);
  agentServer.addService(AgentLinkService, link);
  agentServer.addService(ReplicaLinkService, replicas);
  const enrolServer = new grpc.Server({ ...LIMITS, 'grpc.max_receive_message_length': 64 * 1024 });
  enrolServer.addService(EnrolmentService, enrolment);
  const agentPort = await bind(agentServer, options.agents, credentials.mutual);
  const enrolPort = await bind(enrolServer, options.enrolment, credentials.serverOnly);

  return {
    agentPort,
    enrolPort,
    cut: (team, node, reason) => sessions.get(`${team}/${node}`)?.close(reason),
    stop: async () => {
      credentials.stop();
      for (const session of sessions.values()) session.close('the controller stops');
      // What a session still has to store is stored before the database goes; agents that hang do not hold us up.
      await Promise.race([Promise.all(running), new Promise((resolve) => setTimeout(resolve, 3_000).unref())]);
      agentServer.forceShutdown();
      enrolServer.forceShutdown();
    },
  };
}

/** Who calls, by certificate; a status to answer with if it may not. An unknown node keeps its keys and comes back (R4). */
async function identify(call: AnyCall, directory: NodeDirectory, log: Logger): Promise<Peer | grpc.StatusObject> {
  const certificate = call.getAuthContext()?.sslPeerCertificate;
  const uri = certificateUri(call);
  const identity = uri === undefined ? undefined : parseAgentUri(uri);
  if (certificate === undefined || identity === undefined) return status(grpc.status.UNAUTHENTICATED, 'The client certificate names no node');
  const peer = { ...identity, serial: certificate.serialNumber.toLowerCase() };
  try {
    const verdict = await directory.authorize(peer);
    if (verdict === 'ok') return peer;
    log.info({ team: peer.team, node: peer.node, verdict }, 'an agent was turned away');
    return verdict === 'revoked'
      ? status(grpc.status.PERMISSION_DENIED, `Node ${peer.node} was revoked; enrol it again`)
      : status(grpc.status.NOT_FOUND, `Node ${peer.node} of team ${peer.team} is not known; add its manifest`);
  } catch (error) {
    log.warn({ err: error }, 'an agent could not be looked up');
    return status(grpc.status.UNAVAILABLE, 'The controller cannot look the node up just now');
  }
}

function certificateUri(call: AnyCall): string | undefined {
  return /URI:(tagboat:\/\/[^,\s]+)/.exec(call.getAuthContext()?.sslPeerCertificate?.subjectaltname ?? '')?.[1];
}

function status(code: grpc.status, details: string): grpc.StatusObject {
  return { code, details, metadata: new grpc.Metadata() };
}

async function respond<T>(answer: grpc.sendUnaryData<T>, work: () => Promise<T>): Promise<void> {
  try {
    answer(null, await work());
  } catch (error) {
    if (error !== null && typeof error === 'object' && 'code' in error && typeof error.code === 'number') return answer(error as grpc.StatusObject);
    const code = error instanceof TagboatError && error.code === 'EnrolmentRefused' ? grpc.status.INVALID_ARGUMENT : grpc.status.UNAVAILABLE;
    answer({ code, details: explainError(error) });
  }
}

async function bind(server: grpc.Server, at: { host: string; port: number }, credentials: grpc.ServerCredentials): Promise<number> {
  const host = isIP(at.host) === 6 ? `[${at.host}]` : at.host;
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${at.port}`, credentials, (error, port) => {
      if (error) reject(new TagboatError('ConfigInvalid', `Cannot listen on ${host}:${at.port}: ${error.message}`, { cause: error, hint: 'Choose another port, or stop what listens there.' }));
      else resolve(port);
    });
  });
}

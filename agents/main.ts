/** One agent process (or one inside the demo): identity, journal, link, until the signal aborts. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from './core/engine.ts';
import { AgentError } from './core/errors.ts';
import type { Exchange, Role } from './core/exchange.ts';
import { removeFile, writeWhole } from './core/files.ts';
import type { Identity } from './core/identity.ts';
import { enrol, enrolledWith, loadIdentity, saveIdentity } from './core/identity.ts';
import { Journal } from './core/journal.ts';
import type { AgentLog } from './core/link.ts';
import { Link } from './core/link.ts';
import { maskedLog } from './core/masked-log.ts';
import { Secrets } from './core/secrets.ts';

export interface AgentOptions {
  readonly directory: string;
  /** host:port of the agent listener. */
  readonly controller: string;
  /** Needed once, for a directory that was never enrolled. */
  readonly enrolment?: { readonly address: string; readonly fingerprint: string; readonly token: string } | undefined;
  readonly engine: Engine;
  readonly version: string;
  readonly log: AgentLog;
  /** How this agent becomes another version, where it runs in something that it can exchange. */
  readonly exchange?: Exchange | undefined;
  /** Enrolled, and about to dial. */
  onServing?(): void;
}

/**
 * Enrols if it has to, then serves until the signal aborts. Throws `IdentityMissing` without identity and token, and what
 * `enrol` and `Journal.open` throw; once it serves it never gives up. In an exchange for another version it is the one on trial or the one that
 * watches it (core/exchange.ts); `UpdateLost` is thrown where it may not act.
 */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const { exchange } = options;
  let role = exchange === undefined ? 'agent' : await exchange.role(options.version, signal);
  while (!signal.aborted) {
    if (role === 'loser') throw new AgentError('UpdateLost', 'Another one is the agent of this node: this one has lost an exchange for another version, or its pod was taken away');
    if (role === 'guard' && exchange !== undefined) role = await exchange.guard(signal);
    else role = await serve(options, role === 'trial', signal);
  }
}

/** Answers what this process is to be next. */
async function serve(options: AgentOptions, onTrial: boolean, signal: AbortSignal): Promise<Role> {
  const { exchange } = options;
  const next = await untilItLeaves(options, onTrial, signal);
  return next === 'guard' && exchange !== undefined && !signal.aborted ? exchange.handOver(signal) : next;
}

/** With an open journal. */
async function untilItLeaves(options: AgentOptions, onTrial: boolean, signal: AbortSignal): Promise<Role> {
  const { exchange } = options;
  const leaving = new AbortController();
  let next: Role = 'agent';
  const leave = (as: Role): void => {
    next = as;
    leaving.abort();
  };
  const settling: Promise<void>[] = [];
  // Asked once, however often the line breaks meanwhile.
  let decision: Promise<boolean> | undefined;
  const decide = async (): Promise<boolean> => {
    const accepted = (await exchange?.accept(signal)) === true;
    if (!accepted) leave('loser');
    else if (exchange !== undefined) settling.push(exchange.settle(signal));
    return accepted;
  };
  const journal = Journal.open(join(options.directory, 'journal'));
  try {
    for (const path of journal.damaged) options.log.warn({ path }, 'a journal file was not readable and was set aside');
    // One on trial is let in by what the agent before it has; a token is not for it to use up.
    const identity = await identify(onTrial ? { ...options, enrolment: undefined } : options);
    const secrets = await Secrets.open(options.directory);
    secrets.serve(identity);
    await secrets.recall([...journal.memories.values()].map((memory) => memory.spec));
    options.onServing?.();
    markLine(options.directory, false);
    const link = new Link({
      address: options.controller,
      identity,
      engine: options.engine,
      journal,
      secrets,
      version: options.version,
      instanceId: randomUUID(),
      log: maskedLog(options.log, secrets),
      saveIdentity: (renewed) => saveIdentity(options.directory, renewed),
      onLine: (connected) => markLine(options.directory, connected),
      ...(onTrial && { mayAct: () => (decision ??= decide()) }),
      onTrial,
      exchange,
      onLeave: () => leave('guard'),
    });
    await link.run(AbortSignal.any([signal, leaving.signal]));
    await Promise.all(settling);
    return next;
  } finally {
    journal.close();
  }
}

/** Enrols with the token at hand, unless it has done so before, and ends. Throws where the controller does not let it in, whatever is there already. */
export async function enrolAgent(options: AgentOptions): Promise<void> {
  const journal = Journal.open(join(options.directory, 'journal'));
  try {
    await identify(options, true);
    options.onServing?.();
  } finally {
    journal.close();
  }
}

/**
 * The identity of this directory, from the token where there is none yet or where the token is a new one: that is how a node that
 * was revoked, or whose certificate ran out, comes back (R4). A token that does not get it in leaves it with what it has, unless strict.
 */
async function identify(options: AgentOptions, strict = false): Promise<Identity> {
  const { directory, enrolment, engine, log } = options;
  const present = loadIdentity(directory);
  if (enrolment === undefined || (present !== undefined && enrolledWith(directory, enrolment.token))) {
    if (present === undefined) throw new AgentError('IdentityMissing', `This agent was never enrolled (no identity in ${directory}); run the line that tagboat node enroll prints`);
    return present;
  }
  let identity: Identity;
  try {
    identity = await enrol({ ...enrolment, nodeType: engine.type, simulated: engine.simulated, version: options.version });
  } catch (error) {
    if (present === undefined || strict) throw error;
    log.warn({ err: error, team: present.team, node: present.node }, 'not enrolled anew; the identity from before is used');
    return present;
  }
  if (present !== undefined && (present.team !== identity.team || present.node !== identity.node)) {
    throw new AgentError('EnrolmentRefused', `${directory} is the home of node ${present.node} of team ${present.team}; start node ${identity.node} of team ${identity.team} with a directory of its own and a new token`);
  }
  saveIdentity(directory, identity, enrolment.token);
  log.info({ team: identity.team, node: identity.node }, 'enrolled');
  return identity;
}

/** The file that whoever started this agent looks for: it is there while the line to the controller stands. */
function markLine(directory: string, connected: boolean): void {
  const path = join(directory, '.connected');
  if (connected) writeWhole(path, '');
  else removeFile(path);
}

/** Keeps where the controller is, so that a restart needs no flag. */
export function rememberAddress(directory: string, controller: string): void {
  if (recallAddress(directory) !== controller) writeWhole(join(directory, 'controller'), `${controller}\n`);
}

export function recallAddress(directory: string): string | undefined {
  const path = join(directory, 'controller');
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}

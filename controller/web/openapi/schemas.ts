/** The shapes of answers, by name; each follows the view that it is made of (store/views). A test holds them against real answers. */
import { ROLES } from '../../model/role.ts';
import { list, map, maybe, object, open, ref, text, time, whole, word, yes } from './notation.ts';
import type { Schema } from './notation.ts';

const STATUS = ['preparing', 'in-progress', 'successful', 'failed', 'obsolete', 'downgraded'];
const VERSION_KIND = ['rolling', 'incremental'];
const NODE_STATUS = ['connected', 'unreachable', 'enrolling', 'revoked'];
const ATTEMPT_KIND = ['deploy', 'remove', 'heal'];

const change = object('One difference; values of secrets never appear.', { image: text(), path: text('Dotted, such as config.environment.REGION.'), from: maybe(text()), to: maybe(text()) });
const strategy = object('How an image is replaced, and why so.', { image: text(), strategy: text('start-first or recreate'), reason: text() });

const REVIEW = {
  ref: text(), head: text(), base: text(), planHash: text(), actions: list(ref('ReviewAction')), problems: list(ref('Problem')), notes: list(text()), gitRef: text(), number: maybe(whole()), state: word(['open', 'merged']), title: text(), author: text(), method: text(),
  createdAt: time(), updatedAt: time(), mergedAt: maybe(time()), mergedCommit: maybe(text()), outcome: maybe(word(['reviewed', 'replanned'])), executedHash: maybe(text()),
  difference: maybe(object('How what ran differs from what was reviewed.', { added: list(text()), gone: list(text()), changed: list(text()) })),
};

const TOKEN = {
  id: text('The part of the token that is no secret.'), profile: text('An e-mail address.'), team: maybe(text('Null: every team of the profile.')), role: word(ROLES, 'At most.'), label: text(), createdBy: text(), createdAt: time(), expiresAt: time(), revokedAt: maybe(time()), revokedBy: maybe(text()),
  lastUsedAt: maybe(time('To the hour.')), state: word(['active', 'expired', 'revoked']),
};

export const SCHEMAS: Readonly<Record<string, Schema>> = {
  Error: object('What went wrong.', { error: object('The error.', { code: text('Stable.'), message: text(), hint: text('What to do next.') }) }),

  TeamSummary: object('A team in the list.', {
    name: text(), repository: text('Without credentials.'), branch: text(), directory: text(), commit: maybe(text('The commit that was planned last.')), polledAt: maybe(time()), syncedAt: maybe(time()),
    pollFailures: whole('In a row.'), errors: whole('Problems of that severity.'), warnings: whole(), nodes: whole(), nodesConnected: whole(),
  }),
  Problem: object('What a person has to mend in the repository.', {
    code: text('Stable.'), severity: word(['error', 'warning']), file: text('\'\' when it is the repository itself.'), line: whole('From 1; 0: none.'), column: whole(), message: text(), hint: text(), object: text('Kind/name, where it is known.'),
  }, ['object']),
  Team: object('A team.', {
    name: text(), repository: text(), branch: text(), directory: text(), commit: maybe(text()), polledAt: maybe(time()), syncedAt: maybe(time()), pollFailures: whole(), problems: list(ref('Problem')),
  }),

  Node: object('A deployment target with its agent.', {
    name: text(), type: word(['docker', 'kubernetes']), simulated: yes(), status: word(NODE_STATUS), agentVersion: maybe(text()), lastSeenAt: maybe(time()), engineVersion: maybe(text()), labels: map(text()),
    declared: yes('False once its manifest is gone.'), enrolledAt: maybe(time()), revokedAt: maybe(time()), connectedAt: maybe(time()), targets: whole('How many it serves.'), wantedAgentVersion: maybe(text('As its manifest has it.')),
    agentUpdate: maybe(object('Why its agent has not become that version.', { version: text(), code: text(), reason: text(), at: time() })), recipients: list(text(), 'Public keys that secrets are sealed to.'),
  }),
  Enrolment: object('What lets one agent in, once.', {
    token: text('Single use.'), expiresAt: time(), join: text('Address, fingerprint and token in one word.'), command: text('The line to paste on the host: it installs the agent.'), agentCommand: text('The same for a host that has Tagboat.'), manifest: maybe(text('YAML for kubectl apply; null for a Docker node.')),
  }),

  Version: object('A version of a product.', {
    name: text(), kind: word(VERSION_KIND), commit: text(), parent: maybe(text('The name of the version before it.')), frozen: yes(), frozenAt: maybe(time()), ref: text(), refGone: yes(), tagObject: maybe(text()), tagger: maybe(text()),
    message: maybe(text('Of the tag: the change log.')),
  }),
  Product: object('An application.', { name: text(), type: word(['simple', 'complex']), description: text(), declared: yes(), versions: list(ref('Version')) }),

  Container: object('As the agent told of it last.', {
    name: text(), imageName: text(), image: text(), digest: text(), state: text(), health: text(), restarts: whole(), exitCode: whole(), detail: text(),
  }),
  Drift: object('What differs from the record.', { container: text(), field: text(), expected: text(), actual: text() }),
  OpenAttempt: object('An attempt that is not over.', {
    id: whole(), state: word(['queued', 'running']), kind: word(ATTEMPT_KIND), step: maybe(text()), text: maybe(text()), notBefore: time(), startedAt: maybe(time()), deadline: maybe(time()), stopping: yes(),
  }),
  Deployment: object('A version on a node under a prefix.', {
    name: text(), product: maybe(text()), version: maybe(text()), versionKind: maybe(word(VERSION_KIND)), node: maybe(text()), prefix: maybe(text()), status: word(STATUS), sync: word(['synced', 'out-of-sync', 'blocked'], 'Does the record match Git?'), syncReason: text(),
    health: word(['healthy', 'progressing', 'degraded', 'missing', 'unknown'], 'Does the engine match the record?'), healthReason: text(), drifted: yes(), drift: list(ref('Drift')), commit: maybe(text()), reason: text('One sentence; \'\' when all is fine.'), updatedAt: time(),
    observedAt: maybe(time()), recordId: maybe(whole()), declared: yes(), protected: yes(), wantedVersion: maybe(text('What Git asks for.')), liveVersion: maybe(text('What serves.')), nodeStatus: maybe(word(NODE_STATUS)), simulated: yes(),
    containers: list(ref('Container')), attempt: maybe(ref('OpenAttempt')), waitingFor: list(text()), leftovers: list(object('A target that is still served.', { node: text(), prefix: text() })),
  }),

  Action: object('What a plan does to one deployment.', {
    kind: text(), reason: text(), from: maybe(text()), to: maybe(text()), changes: list(change), strategies: list(strategy),
    statusChanges: list(object('Of another record.', { version: text(), from: maybe(text()), to: text(), reason: text() })), waitsFor: list(text()), waitsBecause: text('What those have that it takes over; \'\' where it only depends on them.'), removesVolumes: yes(), adoptsFrom: maybe(text()), tries: whole(),
  }),
  AttemptEvent: object('A step that the agent told.', { sequence: whole(), at: time(), step: text(), text: text() }),
  Attempt: object('One try to carry a deployment out.', {
    id: whole(), kind: word(ATTEMPT_KIND), state: word(['queued', 'running', 'done']), outcome: maybe(word(['succeeded', 'failed', 'cancelled', 'superseded', 'lost'])), code: maybe(text()), reason: maybe(text()), restored: maybe(yes()),
    commit: text(), actor: text(), planHash: text(), createdAt: time(), startedAt: maybe(time()), finishedAt: maybe(time()), digests: list(object('An image as it ran.', { name: text(), image: text(), digest: text() })),
    evidence: list(object('What a failure left behind.', { container: text(), logLines: list(text()), healthOutput: list(text()) })), action: maybe(ref('Action')),
    review: maybe(object('The review that it was planned from.', { ref: text(), planHash: text(), outcome: word(['reviewed', 'replanned']) })), events: list(ref('AttemptEvent')),
  }),
  Record: object('One deployment record with its attempts.', {
    id: whole(), version: text(), versionKind: word(VERSION_KIND), status: word(STATUS), commit: text(), actor: text(), startedAt: maybe(time()), finishedAt: maybe(time()), reason: text(), product: text(), node: text(), prefix: text(), live: yes('It serves.'),
    createdAt: time(), updatedAt: time(), attempts: list(ref('Attempt')),
  }),
  LogLine: object('A line of a container\'s log.', { at: time(), stream: word(['stdout', 'stderr']), text: text() }),

  AuditRow: object('One row of the audit log.', {
    team: text(), id: whole('1, 2, 3 … without gaps.'), at: text('ISO 8601 UTC with microseconds.'), actor: text(), action: text(), object: text(), commit: maybe(text()), result: text(), detail: open('Depends on the action.'), previousHash: text(), hash: text('SHA-256 over everything else.'),
  }),
  AuditPage: object('Rows, newest first.', { rows: list(ref('AuditRow')), next: maybe(whole('`before` of the next page.')) }),
  AuditVerification: object('The proof of the chain.', {
    checked: whole(), ok: yes(), firstBroken: maybe(object('The first row that is not as it was written.', { team: text(), id: whole(), reason: text() })), head: maybe(object('Where the chain ends.', { team: text(), id: whole(), hash: text() })),
  }),

  ReviewAction: open('What the merge would do to one deployment: kind, deployment, node, prefix, product, from, to, reason, changes, strategies, statusChanges, waitsFor, waitsBecause, removesVolumes, adoptsFrom.'),
  Review: object('An open request to merge, planned against what is live.', REVIEW),
  ReviewWithDeliveries: object('A review, and what the Git host was told of it.', {
    ...REVIEW,
    deliveries: list(object('A comment or status.', { kind: word(['comment', 'status']), state: word(['waiting', 'sent', 'failed']), tries: whole(), lastError: maybe(text()), sentAt: maybe(time()), nextAt: maybe(time()) })),
  }),
  Notification: object('A channel that is told what happens.', {
    name: text(), channel: text(), urlFrom: text('The name of its URL in the controller\'s configuration.'), events: list(text()), deployments: maybe(list(text())), nodes: maybe(list(text())), pending: whole(), failed: whole(), configured: yes('The controller knows the URL.'),
    deliveries: list(object('One telling; the newest first.', {
      id: whole(), event: text(), deployment: maybe(text()), node: maybe(text()), at: time(), state: word(['pending', 'delivered', 'failed', 'dropped']), tries: whole(), status: maybe(whole('The last answer\'s.')), error: text(), nextAt: maybe(time()), finishedAt: maybe(time()),
    })),
  }),
  DeliveryPage: object('Deliveries of webhooks, newest first.', {
    rows: list(object('One delivery.', { id: whole(), at: time(), provider: text(), event: text(), deliveryId: maybe(text()), ref: maybe(text()), outcome: word(['polled', 'ignored', 'duplicate', 'refused']), status: whole('What it was answered.'), reason: text() })),
    next: maybe(whole('`before` of the next page.')),
  }),
  LiveState: object('What a plan is made against, secrets masked; for `tagboat plan` of the same release.', {
    team: text(), commit: maybe(text()), branch: text(), directory: text(), targets: list(open('A target with its records.')), versions: list(open('A version with the id of its parent.')), goodSpecs: map(open('What was deployed, by record.')),
    nodes: map(object('A node.', { status: word(NODE_STATUS), simulated: yes() })), drift: map(list(object('A difference.', { container: text(), field: text() }))), frozen: list(open('A frozen version.')), owners: map(text()), recipients: map(list(text())),
    followed: map(list(open('What a followed tag means.'))),
  }),

  Token: object('An access token, without what is secret of it.', TOKEN),
  TokenWish: { ...object('The token that is asked for.', { profile: text('A member; yourself unless told.'), role: word(ROLES, 'user unless told; not more than your own.'), label: text('What it is for.'), expiresIn: text('90d unless told; from 1m to 366d.') }, ['profile', 'role', 'label', 'expiresIn']), additionalProperties: false },
  NewToken: object('An access token with its secret, this once.', { ...TOKEN, token: text() }),
};

/** Every operation under /api/v1 with what it needs; compared with the table of routes by a test. */
import type { Need } from '../routes.ts';
import { list, object, ref, text, whole, yes } from './notation.ts';
import type { Schema } from './notation.ts';

export interface Operation {
  readonly method: 'get' | 'post';
  /** Below /api/v1. */
  readonly path: string;
  readonly need: Need;
  readonly id: string;
  readonly summary: string;
  readonly query?: Readonly<Record<string, Schema>>;
  readonly body?: Schema;
  /** Null: an empty answer, 204. */
  readonly answer: Schema | null;
  readonly status?: 201 | 202;
  /** Media types with the shape of one piece, for answers that go on; JSON otherwise. */
  readonly streams?: Readonly<Record<string, Schema>>;
}

const AUDIT_QUERY = {
  before: whole('Only rows with a smaller id.'), limit: { ...whole('100 unless told.'), minimum: 1, maximum: 1_000 }, actor: text('A part of it, in any case; so are the next three.'), action: text(), object: text(), result: text(),
  from: text('A day, or a moment in ISO 8601.'), to: text('A day is wholly in it; a moment is not.'),
};

export const OPERATIONS: readonly Operation[] = [
  { method: 'get', path: '/openapi.json', need: 'reader', id: 'document', summary: 'This document', answer: { type: 'object' } },
  { method: 'get', path: '/teams', need: 'reader', id: 'listTeams', summary: 'The teams that you may see', answer: list(ref('TeamSummary')) },
  { method: 'get', path: '/teams/{team}', need: 'user', id: 'getTeam', summary: 'A team with the problems of its repository', answer: ref('Team') },
  { method: 'get', path: '/teams/{team}/nodes', need: 'user', id: 'listNodes', summary: 'Nodes', answer: list(ref('Node')) },
  { method: 'get', path: '/teams/{team}/products', need: 'user', id: 'listProducts', summary: 'Products with their versions', answer: list(ref('Product')) },
  { method: 'get', path: '/teams/{team}/deployments', need: 'user', id: 'listDeployments', summary: 'Deployments', answer: list(ref('Deployment')) },
  { method: 'get', path: '/teams/{team}/deployments/{name}', need: 'user', id: 'getDeployment', summary: 'One deployment', answer: ref('Deployment') },
  { method: 'get', path: '/teams/{team}/deployments/{name}/history', need: 'user', id: 'getHistory', summary: 'The records of a deployment, newest first', answer: list(ref('Record')) },
  {
    method: 'get', path: '/teams/{team}/deployments/{name}/logs', need: 'user', id: 'readLogs', summary: 'The log of a container, read on its node',
    query: { container: text('Its name or its image\'s; needed where there are several.'), tail: { ...whole('Lines to begin with; 100 unless told.'), minimum: 1, maximum: 10_000 }, follow: yes('Go on, for an hour at most.') },
    answer: text('The lines.'), streams: { 'text/plain': text(), 'application/x-ndjson': ref('LogLine'), 'text/event-stream': ref('LogLine') },
  },
  { method: 'get', path: '/teams/{team}/events', need: 'user', id: 'watchTeam', summary: 'What changes in a team, as server-sent events; Last-Event-ID takes up again', answer: text(), streams: { 'text/event-stream': text('Events: deployment, attempt, node, product, poll, refresh.') } },
  { method: 'get', path: '/teams/{team}/audit', need: 'user', id: 'listAudit', summary: 'The audit log of a team', query: AUDIT_QUERY, answer: ref('AuditPage') },
  { method: 'get', path: '/teams/{team}/audit/verification', need: 'user', id: 'verifyAudit', summary: 'Proves that no audit row was changed or removed', answer: ref('AuditVerification') },
  { method: 'get', path: '/audit', need: 'operator', id: 'listControllerAudit', summary: 'The controller\'s own audit log: starts, and sign-ins and refusals that belong to no team', query: AUDIT_QUERY, answer: ref('AuditPage') },
  { method: 'get', path: '/teams/{team}/reviews', need: 'user', id: 'listReviews', summary: 'Open requests to merge, planned against what is live', answer: list(ref('Review')) },
  { method: 'get', path: '/teams/{team}/reviews/{ref}', need: 'user', id: 'getReview', summary: 'One review, by ref (pull/17), also with its slashes, or by number', answer: ref('ReviewWithDeliveries') },
  { method: 'get', path: '/teams/{team}/live-state', need: 'user', id: 'getLiveState', summary: 'What `tagboat plan` plans against', answer: ref('LiveState') },
  { method: 'get', path: '/teams/{team}/deliveries', need: 'user', id: 'listDeliveries', summary: 'Webhooks that came in, and what became of them', query: { before: AUDIT_QUERY.before, limit: AUDIT_QUERY.limit }, answer: ref('DeliveryPage') },
  { method: 'get', path: '/teams/{team}/notifications', need: 'user', id: 'listNotifications', summary: 'The channels of a team, and what became of what they were told', answer: list(ref('Notification')) },
  { method: 'post', path: '/teams/{team}/notifications/{name}/tests', need: 'admin', id: 'testNotification', summary: 'Tells a channel something, to try it', status: 202, answer: object('What was queued.', { id: whole() }) },
  { method: 'post', path: '/teams/{team}/nodes/{node}/enrolments', need: 'admin', id: 'enrolNode', summary: 'Mints what lets one agent in', status: 201, answer: ref('Enrolment') },
  { method: 'post', path: '/teams/{team}/nodes/{node}/revocation', need: 'admin', id: 'revokeNode', summary: 'Shuts a node out, at once', answer: null },
  { method: 'get', path: '/teams/{team}/tokens', need: 'admin', id: 'listTeamTokens', summary: 'The access tokens of a team', answer: list(ref('Token')) },
  { method: 'post', path: '/teams/{team}/tokens', need: 'admin', id: 'createTeamToken', summary: 'Mints an access token for this team', body: ref('TokenWish'), status: 201, answer: ref('NewToken') },
  { method: 'post', path: '/teams/{team}/tokens/{id}/revocation', need: 'admin', id: 'revokeTeamToken', summary: 'Ends a token of the team', answer: null },
  { method: 'get', path: '/tokens', need: 'reader', id: 'listTokens', summary: 'Your own access tokens; the operator\'s list is of all', answer: list(ref('Token')) },
  { method: 'post', path: '/tokens', need: 'operator', id: 'createToken', summary: 'Mints an access token for every team of a profile', body: ref('TokenWish'), status: 201, answer: ref('NewToken') },
  { method: 'post', path: '/tokens/{id}/revocation', need: 'reader', id: 'revokeToken', summary: 'Ends a token of your own', answer: null },
];

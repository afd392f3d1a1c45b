/** Every metric of the controller, in one place, in a registry of its own. Labels never hold a secret or free text (R27). */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

/** Values for a label that grows with what people write: the first `limit` are themselves, the rest is `other`. */
export function boundedLabel(limit: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.size < limit) known.add(value);
    return known.has(value) ? value : 'other';
  };
}

/** Makes the registry. `stop` at the end: the process metrics hold an observer. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'tagboat_' });
  const registers = [registry];
  return {
    registry,
    /** `repository`: its URL without credentials; `other` beyond a bound. `kind`: list | fetch. `result`: ok | failed. */
    gitRequests: new Counter({ name: 'tagboat_git_requests_total', help: 'Requests to Git servers.', labelNames: ['team', 'repository', 'kind', 'result'] as const, registers }),
    gitBytes: new Counter({ name: 'tagboat_git_request_bytes_total', help: 'Bytes received from Git servers.', labelNames: ['team', 'kind'] as const, registers }),
    /** `result`: unchanged | changed | failed. */
    polls: new Counter({ name: 'tagboat_polls_total', help: 'Looks at a repository.', labelNames: ['team', 'result'] as const, registers }),
    manifestsParsed: new Counter({ name: 'tagboat_manifests_parsed_total', help: 'Manifest files that were parsed.', labelNames: ['team'] as const, registers }),
    manifestsCached: new Counter({ name: 'tagboat_manifests_cached_total', help: 'Manifest files that were remembered by their blob id.', labelNames: ['team'] as const, registers }),
    planDuration: new Histogram({
      name: 'tagboat_plan_duration_seconds', help: 'Time to make a plan and to write it down.', labelNames: ['team'] as const,
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5], registers,
    }),
    reviewDuration: new Histogram({
      name: 'tagboat_review_duration_seconds', help: 'Time to review one request that moved, as the mean of a pass.', labelNames: ['team'] as const,
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5], registers,
    }),
    attempts: new Counter({ name: 'tagboat_attempts_total', help: 'Attempts that ended.', labelNames: ['kind', 'outcome'] as const, registers }),
    attemptDuration: new Histogram({
      name: 'tagboat_attempt_duration_seconds', help: 'Time from the start of an attempt to its end.', labelNames: ['kind'] as const,
      buckets: [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800], registers,
    }),
    agentSessions: new Gauge({ name: 'tagboat_agent_sessions', help: 'Agents that are connected to this replica.', registers }),
    /** Set at each scrape from the database. */
    deployments: new Gauge({ name: 'tagboat_deployments', help: 'Deployments by sync and health.', labelNames: ['team', 'sync', 'health'] as const, registers }),
    /** `team`: '' for one that is not there, or when unsigned ones come too fast to be written down. `outcome`: polled | ignored | duplicate | refused. */
    webhooks: new Counter({ name: 'tagboat_webhooks_total', help: 'Deliveries of webhooks.', labelNames: ['team', 'provider', 'outcome'] as const, registers }),
    httpRequests: new Counter({ name: 'tagboat_http_requests_total', help: 'HTTP requests that were answered.', labelNames: ['method', 'route', 'status'] as const, registers }),
    /** Set at each scrape from the database. */
    auditRows: new Gauge({ name: 'tagboat_audit_rows_total', help: 'Audit rows of each team.', labelNames: ['team'] as const, registers }),
    /** `result`: delivered | retried | failed. */
    notifications: new Counter({ name: 'tagboat_notifications_total', help: 'Tries to deliver notifications.', labelNames: ['team', 'channel', 'result'] as const, registers }),
    /** Set at each scrape from the database. */
    notificationsPending: new Gauge({ name: 'tagboat_notifications_pending', help: 'Notifications that wait for delivery.', labelNames: ['team'] as const, registers }),
    databaseErrors: new Counter({ name: 'tagboat_database_errors_total', help: 'Queries that failed.', registers }),
  };
}

/** What a manifest means where it says nothing. The schemas print the same values; a test compares them. */
export const DEPLOYMENT_DEFAULTS = {
  strategy: 'auto',
  /** Additional tries of one content (R23). */
  retries: 2,
  followSchedule: '0 */5 * * * *',
  protected: false,
  removeVolumes: false,
  selfHeal: false,
  timeouts: { attempt: '15m', pull: '10m', health: '5m' },
} as const;

export const HEALTH_DEFAULTS = { interval: '5s', timeout: '5s', retries: 3, startPeriod: '0s', settle: '3s' } as const;

/** Registries that every team knows without a manifest. */
export const KNOWN_REGISTRIES: ReadonlySet<string> = new Set(['docker-hub']);

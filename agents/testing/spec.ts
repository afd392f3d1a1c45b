/** Specs and contexts for tests of engines. */
import type { ContainerConfig, TargetImage, TargetSpec } from '../../schemas/gen/types.ts';
import type { AttemptContext, SecretOpener } from '../core/engine.ts';

export interface SpecImage {
  readonly image: string;
  readonly config?: ContainerConfig;
  readonly dependsOn?: string[];
  readonly strategy?: TargetImage['strategy'];
  readonly digest?: string;
}

export function specOf(prefix: string, images: Readonly<Record<string, SpecImage>>, more: Partial<TargetSpec> = {}): TargetSpec {
  return {
    specVersion: 1,
    team: 'acme',
    deployment: `${prefix}-deployment`,
    product: 'shop',
    version: 'main',
    versionKind: 'rolling',
    node: 'harbor',
    prefix,
    images: Object.entries(images).map(([name, one]) => ({
      name,
      image: one.image,
      dependsOn: one.dependsOn ?? [],
      config: { healthCheck: { settle: '0s' }, stopGrace: '1s', ...one.config },
      strategy: one.strategy ?? 'start-first',
      ...(one.digest !== undefined && { digest: one.digest }),
    })),
    // Generous: a busy machine starts containers slowly.
    timeouts: { attempt: '5m', pull: '3m', health: '1m' },
    selfHeal: false,
    ...more,
  };
}

export interface TestContext extends AttemptContext {
  readonly steps: string[];
}

const NO_SECRETS: SecretOpener = { open: () => Promise.reject(new Error('this test has no secrets')) };

export function contextOf(attemptId: number | bigint, more: Partial<Pick<AttemptContext, 'resumed' | 'cancel' | 'deadline' | 'secrets'>> = {}): TestContext {
  const steps: string[] = [];
  const never = new AbortController().signal;
  return {
    attemptId: BigInt(attemptId),
    deadline: more.deadline ?? never,
    cancel: more.cancel ?? never,
    resumed: more.resumed ?? false,
    secrets: more.secrets ?? NO_SECRETS,
    steps,
    progress: (step, text) => void steps.push(`${step}: ${text}`),
  };
}

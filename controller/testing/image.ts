/** The image of the Dockerfile, built for tests on their engine; what was built before is built on. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot, packageVersion } from '../package-root.ts';

const BASE = 'node:20-bookworm-slim';
export const IMAGE = `tagboat:${packageVersion()}`;

/** Throws with what docker said. */
export function docker(...args: readonly string[]): string {
  return execFileSync('docker', args, { cwd: packageRoot(), encoding: 'utf8', timeout: 900_000, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, DOCKER_BUILDKIT: '0' } });
}

export function buildImage(): void {
  try {
    docker('image', 'inspect', BASE);
  } catch {
    execFileSync(join(packageRoot(), '.ci', 'base-image'), [BASE], { timeout: 600_000, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  docker('build', '--quiet', '--network', 'host', '--tag', IMAGE, '.');
}

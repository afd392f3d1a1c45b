/** What is wrong with the secrets of one container: ciphertexts that cannot open on its node, files that cannot be. Pure. */
import type { ContainerConfig, Secrets } from '../../schemas/gen/types.ts';
import { pointerStep } from './manifest.ts';
import type { ProblemCode } from './problem.ts';
import { damagedText, faultOfSealed, secretsOf } from './sealed.ts';

/** Whom the values have to open for. */
export interface SecretNode {
  readonly name: string;
  /** Public keys that it is known to have; empty: unknown. */
  readonly recipients: readonly string[];
}

type Add = (code: ProblemCode, pointer: string, message: string) => void;

export function checkSecrets(image: string, config: ContainerConfig, node: SecretNode, add: Add): void {
  for (const [base, secrets] of secretsOf(config)) {
    for (const [name, block] of Object.entries(secrets)) {
      const at = base + pointerStep(name);
      const fault = faultOfSealed(block, node.name, node.recipients);
      if (fault !== undefined) add(fault.code, at + fault.pointer, fault.code === 'SealedInvalid' ? damagedText(node.name) : `secret ${name} of image ${image} ${fault.text}`);
    }
    checkFiles(image, base, secrets, base === '/secrets' ? config : {}, add);
  }
  for (const [name, { file }] of Object.entries(config.secrets ?? {})) {
    if (file !== undefined || config.environment === undefined || !Object.hasOwn(config.environment, name)) continue;
    add('SchemaViolation', `/secrets${pointerStep(name)}`, `${name} of image ${image} is both an environment variable and a secret`);
  }
}

/** A file goes into the container's own file system: below a volume it would stay in the volume, or be hidden by it. */
function checkFiles(image: string, base: string, secrets: Secrets, { volumes = [], docker }: ContainerConfig, add: Add): void {
  const taken = new Set(Object.keys(docker?.files ?? {}));
  for (const [name, { file }] of Object.entries(secrets)) {
    if (file === undefined) continue;
    const pointer = `${base + pointerStep(name)}/file`;
    const volume = volumes.find(({ path }) => file === path || file.startsWith(path.endsWith('/') ? path : `${path}/`));
    if (volume !== undefined) add('SchemaViolation', pointer, `secret ${name} of image ${image} has its file below the volume at ${volume.path}`);
    if (file.endsWith('/')) add('SchemaViolation', pointer, `the file of secret ${name} of image ${image} is a directory`);
    if (taken.has(file)) add('SchemaViolation', pointer, `two files of image ${image} have the path ${file}`);
    taken.add(file);
  }
}

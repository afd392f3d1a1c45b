/** Why an image does not come, told apart as engines and registries word it. Pure. */
import type { FailureCode } from '../core/engine.ts';
import type { ContainerStatus, LiveEvent, Pod } from './live.ts';

const WAITING = new Set(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError', 'RegistryUnavailable']);

const WORDS: readonly (readonly [RegExp, FailureCode, string])[] = [
  [/InvalidImageName|invalid reference format|couldn't parse image/i, 'ImageUnknown', 'is no image reference'],
  [/unauthorized|forbidden|authentication required|no basic auth|requested access to the resource is denied|pull access denied/i, 'RegistryUnauthorized', 'the registry does not let the cluster have'],
  [/toomanyrequests|too many requests|rate limit/i, 'RegistryRateLimited', 'the registry has had too many requests to give'],
  [/manifest unknown|not found|does not exist|no such image|repository .* unknown|name unknown/i, 'ImageUnknown', 'the registry does not have'],
  [/no such host|connection refused|timeout|deadline exceeded|EOF|network is unreachable|i\/o timeout|TLS handshake|server misbehaving/i, 'RegistryUnreachable', 'the registry cannot be reached for'],
];

/** Errors that another try may mend: so many tries are waited for. */
const TRIES = 3;

/** Undefined while the image may still come. */
export function judgeImage(status: ContainerStatus, pod: Pod, events: readonly LiveEvent[]): { readonly code: FailureCode; readonly text: string } | undefined {
  const { waiting } = status.state ?? {};
  if (waiting?.reason === undefined || !WAITING.has(waiting.reason)) return undefined;
  const image = status.image ?? '';
  // "Back-off" says nothing; the events before it do.
  const failures = events.filter((event) => event.involvedObject.uid === pod.metadata.uid && event.reason === 'Failed' && /pull image|inspect image|image/i.test(event.message ?? '') && event.message?.startsWith('Error: ') !== true);
  const said = waiting.reason === 'ErrImagePull' || waiting.reason === 'InvalidImageName' ? waiting.message : failures.find((event) => event.message?.includes(image))?.message;
  if (said === undefined && waiting.reason === 'ImagePullBackOff' && failures.length === 0) return undefined;
  const text = said ?? failures.at(-1)?.message ?? waiting.message ?? waiting.reason;
  // The name of an image and its registry's port say nothing, whatever words and numbers they hold.
  const words = `${waiting.reason} ${withoutImage(text, image)}`;
  const known = WORDS.find(([pattern]) => pattern.test(words));
  const passing = known === undefined || known[1] === 'RegistryUnreachable';
  if (passing && waiting.reason === 'ErrImagePull' && failures.length < TRIES) return undefined;
  const [, code, verdict] = known ?? [/./, 'ImagePullFailed' as const, 'the cluster cannot pull'];
  return { code, text: code === 'ImageUnknown' && verdict.startsWith('is') ? `${image} ${verdict}: ${text}` : `${verdict} ${image}: ${text}` };
}

function withoutImage(text: string, image: string): string {
  const name = image.split('@', 1)[0]!.replace(/:[^/:]*$/, '');
  return name === '' ? text : text.replaceAll(image, '').replaceAll(name, '');
}

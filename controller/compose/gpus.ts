/** `gpus` and `deploy.resources.reservations.devices`: devices that a driver of the node hands out. */
import type { Gpu } from '../../schemas/gen/types.ts';
import type { Draft } from './draft.ts';
import type { Dict, Item } from './tree.ts';
import { itemOf } from './values.ts';
import type { Loss } from './values.ts';

const KEYS: ReadonlySet<string> = new Set(['driver', 'count', 'device_ids', 'capabilities']);
const NOT_KNOWN: Readonly<Record<string, Loss>> = { options: { why: 'options of the driver of a device are not known', hint: 'Say them in the environment, as far as the driver listens to it.' } };

export function takeGpus(draft: Draft, item: Item): void {
  const { values, findings } = draft.whole;
  if (item.kind === 'list') {
    for (const part of item.items) {
      const dict = values.dict(part);
      if (dict !== undefined) add(draft, gpuOf(draft, dict));
    }
    return;
  }
  const word = values.word(item);
  if (word === 'all') add(draft, {});
  else if (word !== undefined) findings.add('ComposeInvalid', item.at, 'all, or a list of devices is wanted here');
}

function add(draft: Draft, gpu: Gpu | undefined): void {
  if (gpu === undefined) return;
  const known = draft.docker.gpus ?? [];
  // The same wish under `gpus` and under `deploy` is one.
  if (!known.some((one) => JSON.stringify(one) === JSON.stringify(gpu))) draft.docker.gpus = [...known, gpu];
}

function gpuOf(draft: Draft, dict: Dict): Gpu | undefined {
  const { values, findings } = draft.whole;
  values.account(dict, KEYS, NOT_KNOWN);
  const words = (key: string): string[] => {
    const found = itemOf(dict, key);
    return found === undefined ? [] : values.words(found).map(({ value }) => value);
  };
  const [driver, ids, capabilities] = [words('driver')[0], words('device_ids'), words('capabilities')];
  const count = countOf(draft, dict);
  if (count === 0) return undefined;
  if (count !== undefined && ids.length > 0) findings.add('ComposeInvalid', dict.at, 'count and device_ids exclude each other; the devices were taken');
  return {
    ...(driver !== undefined && driver !== '' && { driver }),
    ...(ids.length > 0 ? { ids } : typeof count === 'number' && { count }),
    ...(capabilities.length > 0 && capabilities.join() !== 'gpu' && { capabilities }),
  };
}

/** How many; all of them are none in particular. */
function countOf(draft: Draft, dict: Dict): number | 'all' | undefined {
  const item = itemOf(dict, 'count');
  if (item === undefined) return undefined;
  return draft.whole.values.text(item) === 'all' ? 'all' : draft.whole.values.integer(item);
}

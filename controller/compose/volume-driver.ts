/** Named volumes that are something else by the options of their driver: a directory of the node, or memory. */
import type { Item } from './tree.ts';
import type { Values } from './values.ts';
import { itemOf } from './values.ts';

/** @returns the directory where the driver is local and only binds it; else undefined. */
export function boundDevice(values: Values, volume: Item | undefined): string | undefined {
  const { type, device, mount } = localOptions(values, volume) ?? {};
  const onlyBinds = mount?.every((option) => ['bind', 'rw', ''].includes(option)) === true && mount.includes('bind');
  return ['', 'none', 'bind'].includes(type ?? '?') && onlyBinds && /^[/.~]/.test(device ?? '') ? device : undefined;
}

/** @returns its size where the driver is local and mounts memory, and nothing else is wanted; else undefined. */
export function inMemory(values: Values, volume: Item | undefined): { readonly size: string | undefined } | undefined {
  const { type, mount = [] } = localOptions(values, volume) ?? {};
  const size = mount.find((option) => /^size=\d+[bkmg]?$/i.test(option))?.slice('size='.length);
  return type === 'tmpfs' && mount.every((option) => ['', 'rw'].includes(option) || option === `size=${size ?? ''}`) ? { size } : undefined;
}

function localOptions(values: Values, volume: Item | undefined): { type: string; device: string; mount: readonly string[] } | undefined {
  const options = volume?.kind === 'dict' ? itemOf(volume, 'driver_opts') : undefined;
  if (volume?.kind !== 'dict' || options?.kind !== 'dict') return undefined;
  const text = (item: Item | undefined): string => (item?.kind === 'scalar' ? (values.text(item) ?? '') : '');
  if (!['', 'local'].includes(text(itemOf(volume, 'driver')))) return undefined;
  return { type: text(itemOf(options, 'type')), device: text(itemOf(options, 'device')), mount: text(itemOf(options, 'o')).split(',') };
}

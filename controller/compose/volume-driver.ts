/** A named volume that is a directory of the node by the options of its driver. */
import type { Item } from './tree.ts';
import type { Values } from './values.ts';
import { itemOf } from './values.ts';

/** @returns the directory where the driver is local and only binds it; else undefined. */
export function boundDevice(values: Values, volume: Item | undefined): string | undefined {
  const options = volume?.kind === 'dict' ? itemOf(volume, 'driver_opts') : undefined;
  if (volume?.kind !== 'dict' || options?.kind !== 'dict') return undefined;
  const text = (item: Item | undefined): string => (item?.kind === 'scalar' ? (values.text(item) ?? '') : '');
  const [driver, type, device] = [text(itemOf(volume, 'driver')), text(itemOf(options, 'type')), text(itemOf(options, 'device'))];
  const mount = text(itemOf(options, 'o')).split(',');
  const onlyBinds = mount.every((option) => ['bind', 'rw', ''].includes(option)) && mount.includes('bind');
  return ['', 'local'].includes(driver) && ['', 'none', 'bind'].includes(type) && onlyBinds && /^[/.~]/.test(device) ? device : undefined;
}

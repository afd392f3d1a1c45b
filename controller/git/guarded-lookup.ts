/**
 * Names that people other than the operator choose must not lead into the controller's own machine (R1). The check is made on the
 * very addresses that are connected to, so that a name cannot answer differently the second time.
 */
import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** This machine, "this network", and link-local, where clouds serve their metadata. */
const OWN = new BlockList();
OWN.addSubnet('0.0.0.0', 8);
OWN.addSubnet('127.0.0.0', 8);
OWN.addSubnet('169.254.0.0', 16);
OWN.addAddress('::', 'ipv6');
OWN.addAddress('::1', 'ipv6');
OWN.addSubnet('fe80::', 10, 'ipv6');
OWN.addSubnet('fd00:ec2::', 32, 'ipv6');

/** Whether an address is loopback, unspecified or link-local, also when it is written as IPv4 inside IPv6. */
function isOwnAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, '');
  const family = isIP(plain);
  return family !== 0 && OWN.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whether a host of a URL names such an address without any lookup. */
export function isOwnHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').replace(/\.$/, '').toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || isOwnAddress(name);
}

/** `dns.lookup` for sockets that refuses a name with such an address (code EOWNADDRESS). */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  systemLookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error !== null) return callback(error, '', 4);
    if (addresses.some(({ address }) => isOwnAddress(address))) return callback(Object.assign(new Error('the name leads to loopback or link-local'), { code: 'EOWNADDRESS' }), '', 4);
    if (options.all === true) return callback(null, addresses);
    const [first] = addresses;
    callback(null, first?.address ?? '', first?.family ?? 4);
  });
};

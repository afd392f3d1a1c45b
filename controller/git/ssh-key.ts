/** What is wrong with what a person configured for SSH, found at start and not at the first poll. Texts hold no key (R27). */
import ssh2 from 'ssh2';
import { parseKnownHosts } from './known-hosts.ts';
import type { Credentials } from './remote.ts';

/** The faulty field and what is wrong with it. */
export function sshFaults({ privateKey, passphrase, knownHosts }: Extract<Credentials, { type: 'ssh' }>): { readonly field: 'privateKey' | 'knownHosts'; readonly message: string }[] {
  const faults: ReturnType<typeof sshFaults> = [];
  const key = ssh2.utils.parseKey(privateKey.reveal(), passphrase?.reveal());
  if (key instanceof Error) {
    const locked = /passphrase|decrypt|integrity|bad password|OpenSSH.*key/i.test(key.message);
    const why = !locked ? 'is no private key in OpenSSH or PEM format' : passphrase === null ? 'is encrypted; it needs its passphrase' : 'cannot be opened with this passphrase';
    faults.push({ field: 'privateKey', message: `the private key ${why}` });
  } else if (!(Array.isArray(key) ? key : [key]).every((one) => one.isPrivateKey())) {
    faults.push({ field: 'privateKey', message: 'this is a public key; the private one is needed' });
  }
  const { entries, unreadable } = parseKnownHosts(knownHosts);
  if (unreadable.length > 0) faults.push({ field: 'knownHosts', message: `line ${String(unreadable[0])} of the known hosts is none; ssh-keyscan HOST prints such lines` });
  else if (entries.length === 0) faults.push({ field: 'knownHosts', message: 'there is no known host; ssh-keyscan HOST prints such lines, which are to be compared with what the host publishes' });
  return faults;
}

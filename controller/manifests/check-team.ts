/** One repository is one team's: which Team manifest counts, and what is wrong with the others. */
import type { Manifest, ManifestSet } from '../model/manifest.ts';
import { objectName } from '../model/manifest.ts';
import type { Problem } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { isSigningKey, trustOf } from '../model/trust.ts';

/** The manifest whose members and policy count: the one named like the team, else the first. `team`: '' where no controller says it. */
export function teamManifest(set: ManifestSet, team = ''): Manifest<'Team'> | undefined {
  return set.byKind.Team.get(team) ?? [...set.byKind.Team.values()][0];
}

/**
 * A second Team manifest would let its members in, so it counts for nothing and is an error. A name that the controller does not use is a
 * warning: `seal` writes it into the ciphertext, which then does not open.
 */
export function checkTeam(set: ManifestSet, team = ''): Problem[] {
  const own = teamManifest(set, team);
  if (own === undefined) return [];
  const others = [...set.byKind.Team.values()].filter((manifest) => manifest !== own);
  const problems = others.map((manifest) =>
    problem('TeamMismatch', manifest.position('/metadata/name'), `this repository belongs to team ${own.name} (${own.file}:${own.line}); the members of ${manifest.name} are not let in`, { hint: 'A repository has one Team manifest; remove the other.', object: objectName(manifest) }),
  );
  const addresses = new Set<string>();
  for (const [index, { name, email, keys = [] }] of (own.spec.members ?? []).entries()) {
    // A profile is its address (SPEC §1); with two entries it would have two roles.
    if (addresses.has(email.toLowerCase())) problems.push(problem('DuplicateName', own.position(`/spec/members/${index}/email`), `two members have the address ${email}`, { hint: 'Remove one of the two.', object: objectName(own) }));
    addresses.add(email.toLowerCase());
    for (const [at, key] of keys.entries()) {
      if (!isSigningKey(key)) problems.push(problem('SigningKeyInvalid', own.position(`/spec/members/${index}/keys/${at}/key`), `this key of ${name} is no public ${key.type === 'ssh' ? 'SSH' : 'OpenPGP'} key; nothing that it signs counts`, { severity: 'warning', object: objectName(own) }));
    }
  }
  // To be seen before it is merged: afterwards no commit can take it back.
  const { requireSignedCommits, requireKnownAuthors, members } = trustOf(own);
  if (requireSignedCommits && !members.some(({ keys }) => keys.some(isSigningKey))) {
    problems.push(problem('NobodyCanSign', own.keyPosition('/spec/policy/requireSignedCommits'), 'no member lists a key, so every commit after this one is refused', { severity: 'warning', object: objectName(own) }));
  }
  if (requireKnownAuthors && members.length === 0) {
    problems.push(problem('NobodyIsKnown', own.keyPosition('/spec/policy/requireKnownAuthors'), 'no member is listed, so every commit after this one is refused', { severity: 'warning', object: objectName(own) }));
  }
  if (team !== '' && own.name !== team) problems.push(problem('TeamMismatch', own.position('/metadata/name'), `the controller calls this team ${team}, not ${own.name}`, { severity: 'warning', object: objectName(own) }));
  return problems;
}

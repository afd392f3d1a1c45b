/** Roles of a profile in a team, weakest first (R2). Pure. */
export const ROLES = ['user', 'admin', 'owner'] as const;

/** `user` reads; `admin` also lets nodes in and mints access tokens; `owner` also gives out an owner's tokens. */
export type Role = (typeof ROLES)[number];

export function atLeast(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

export function weaker(a: Role, b: Role): Role {
  return atLeast(a, b) ? b : a;
}

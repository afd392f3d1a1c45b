/** `/api/v1/…/tokens`: access tokens of a team, minted by its admins; of a profile with all its teams, by the operator. */
import type { Request, Response } from 'express';
import { z } from 'zod';
import { TagboatError } from '../errors.ts';
import { atLeast, ROLES } from '../model/role.ts';
import type { Role } from '../model/role.ts';
import { listTokens, mintToken, revokeToken } from '../store/access-tokens.ts';
import { actorOf, callerOf, roleIn } from './access.ts';
import type { Caller } from './access.ts';
import { parameter, teamOf } from './context.ts';
import type { WebContext } from './context.ts';
import type { Refusals } from './refusals.ts';
import type { Routes } from './routes.ts';

const DAY_MS = 86_400_000;
const DEFAULT_LIFETIME = '90d';
const MAX_LIFETIME_MS = 366 * DAY_MS;
const MIN_LIFETIME_MS = 60_000;
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS };

const wish = z
  .object({
    profile: z.string().regex(/^[^\s@]{1,64}@[^\s@]{1,255}$/).optional(),
    role: z.enum(ROLES).default('user'),
    label: z.string().max(200).default(''),
    expiresIn: z.string().regex(/^[1-9]\d{0,8}[smhd]$/).default(DEFAULT_LIFETIME),
  })
  .strict();

export function addTokenRoutes(api: Routes, context: WebContext, refusals: Refusals): void {
  const { pool } = context;

  api.get('/teams/:team/tokens', 'admin', async (request, response) => {
    response.json((await listTokens(pool, { team: (await teamOf(context, request, response)).name })));
  });

  api.post('/teams/:team/tokens', 'admin', async (request, response) => {
    const { name } = await teamOf(context, request, response);
    await mint(context, refusals, request, response, name);
  }, 'json');

  api.post('/teams/:team/tokens/:id/revocation', 'admin', async (request, response) => {
    const { name } = await teamOf(context, request, response);
    await revokeToken(pool, parameter(request, 'id'), { team: name }, actorOf(request, response));
    response.status(204).end();
  });

  api.get('/tokens', 'reader', async (_request, response) => {
    response.json((await listTokens(pool, ownFilter(response))).filter(({ id }) => reaches(response, id)));
  });

  api.post('/tokens', 'operator', (request, response) => mint(context, refusals, request, response, null), 'json');

  api.post('/tokens/:id/revocation', 'reader', async (request, response) => {
    const id = parameter(request, 'id');
    const filter = ownFilter(response);
    if (!reaches(response, id)) throw new TagboatError('NotFound', `there is no token ${id}`);
    await revokeToken(pool, id, filter, actorOf(request, response));
    response.status(204).end();
  });
}

async function mint({ pool }: WebContext, refusals: Refusals, request: Request, response: Response, team: string | null): Promise<void> {
  const parsed = wish.safeParse(request.body ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TagboatError('UsageError', `the token that is asked for is not well described: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim(), { hint: 'Send JSON like {"profile": "ann@example.org", "role": "user", "label": "ci", "expiresIn": "90d"}.' });
  }
  const { role, label, expiresIn } = parsed.data;
  const caller = callerOf(response);
  const profile = parsed.data.profile ?? caller.profile;
  if (profile === null) throw new TagboatError('UsageError', 'whose token is it to be?', { hint: 'Name a member by e-mail address: "profile".' });
  const lifetimeMs = Number(expiresIn.slice(0, -1)) * (UNITS[expiresIn.slice(-1)] ?? 0);
  if (lifetimeMs < MIN_LIFETIME_MS || lifetimeMs > MAX_LIFETIME_MS) throw new TagboatError('UsageError', 'a token lives from one minute to 366 days', { hint: 'Write expiresIn like 90d or 12h.' });
  if (team !== null) await refuseMore(refusals, caller, team, role); // for all teams it is the operator who asks
  const { secret, token } = await mintToken(pool, { profile, team, role, label, lifetimeMs }, actorOf(request, response));
  response.status(201).json({ ...token, token: secret.reveal() });
}

/** Nobody gives away what they do not have (R2); who tries is written down. */
async function refuseMore(refusals: Refusals, caller: Caller, team: string, asked: Role): Promise<void> {
  const own = roleIn(caller, team);
  if (own !== null && atLeast(own, asked)) return;
  await refusals.note({ team, actor: caller.profile ?? 'operator', action: 'access.refused', object: `token with role ${asked}`, reason: 'Forbidden' });
  throw new TagboatError('Forbidden', `a token with the role ${asked} is for somebody who has that role to mint`);
}

/** The operator reaches every token; a profile its own. */
function ownFilter(response: Response): { readonly profile?: string } {
  const { kind, profile } = callerOf(response);
  if (kind === 'public') throw new TagboatError('Unauthorized', 'this needs a token or a session');
  return profile === null ? {} : { profile };
}

/** A token reaches itself and no other: who stole one that only reads is not to revoke the rest. */
function reaches(response: Response, id: string): boolean {
  const { token } = callerOf(response);
  return token === null || token === id;
}


/** Connections to Git servers over HTTP: one pool for each way of trusting them. */
import { createSecureContext, rootCertificates } from 'node:tls';
import { Agent } from 'undici';
import { guardedLookup } from './guarded-lookup.ts';
import type { Remote } from './remote.ts';

const agents = new Map<string, Agent>();
const MAX_AGENTS = 100;

export function agentFor({ extraCa, guarded }: Remote): Agent {
  const key = `${String(guarded === true)} ${extraCa ?? ''}`;
  const known = agents.get(key);
  if (known !== undefined) return known;
  const agent = new Agent({
    // Whoever asks sets the deadline; a server may think for long before it sends a pack.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: 30_000,
      ...(extraCa !== undefined && { secureContext: createSecureContext({ ca: [...rootCertificates, extraCa] }) }),
      ...(guarded === true && { lookup: guardedLookup }),
    },
  });
  if (agents.size >= MAX_AGENTS) agents.clear();
  agents.set(key, agent);
  return agent;
}

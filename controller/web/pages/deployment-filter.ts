/** Which deployments a person looks for: the words of the overview's filter and what each means. Pure. */
import type { Request } from 'express';
import type { DeploymentView } from '../../store/views/deployment-rows.ts';
import { oneOf, positive, word } from '../context.ts';
import { href } from '../html.ts';

type Test = (deployment: DeploymentView) => boolean;

/** Nothing to look at: what Git says is recorded, and what is recorded runs. */
const fine: Test = ({ sync, health, drifted }) => sync === 'synced' && health === 'healthy' && !drifted;

/** In the order in which people care. A deployment may be in several. */
export const GROUPS = [
  { word: 'failed', text: 'failed', tone: 'bad', test: ({ status }) => status === 'failed' },
  { word: 'blocked', text: 'blocked', tone: 'bad', test: ({ sync }) => sync === 'blocked' },
  { word: 'unhealthy', text: 'unhealthy', tone: 'bad', test: ({ health }) => health === 'degraded' || health === 'missing' },
  { word: 'drifted', text: 'drifted', tone: 'busy', test: ({ drifted }) => drifted },
  { word: 'waiting', text: 'waiting', tone: 'busy', test: ({ status, sync, attempt, waitingFor }) => waitingFor.length > 0 || attempt?.state === 'queued' || (status === 'preparing' && sync !== 'blocked') },
  { word: 'working', text: 'under way', tone: 'busy', test: ({ attempt }) => attempt?.state === 'running' },
  { word: 'out-of-sync', text: 'out of sync', tone: 'busy', test: ({ sync }) => sync === 'out-of-sync' },
  { word: 'unknown', text: 'of unknown health', tone: 'dull', test: ({ health }) => health === 'unknown' },
  { word: 'attention', text: 'need a look', tone: 'busy', test: (deployment) => !fine(deployment) },
  { word: 'fine', text: 'in order', tone: 'good', test: fine },
] as const satisfies readonly { word: string; text: string; tone: 'good' | 'busy' | 'bad' | 'dull'; test: Test }[];

export type Group = (typeof GROUPS)[number]['word'];

export interface DeploymentFilter {
  readonly show: Group | '';
  readonly node: string;
  readonly product: string;
  /** A part of the name or the prefix. */
  readonly q: string;
  readonly view: 'where' | '';
  /** From 1. */
  readonly page: number;
}

/** What one page of the list holds at most. */
export const PAGE_SIZE = 1_000;

/** From the query of the address; `UsageError` where it cannot be meant. */
export function readFilter(request: Request): DeploymentFilter {
  return {
    show: oneOf(request, 'show', GROUPS.map((group) => group.word)),
    node: word(request, 'node'),
    product: word(request, 'product'),
    q: word(request, 'q'),
    view: oneOf(request, 'view', ['where']),
    page: positive(request, 'page', 1_000_000) ?? 1,
  };
}

/** The worst first: what failed before what only waits; among equals the order stays. */
export function byUrgency(deployments: readonly DeploymentView[]): readonly DeploymentView[] {
  const rank = (deployment: DeploymentView): number => GROUPS.findIndex((group) => group.test(deployment));
  return deployments.map((deployment) => ({ deployment, rank: rank(deployment) })).sort((a, b) => a.rank - b.rank).map(({ deployment }) => deployment);
}

export function needsLook(deployment: DeploymentView): boolean {
  return !fine(deployment);
}

export function applyFilter(deployments: readonly DeploymentView[], { show, node, product, q }: DeploymentFilter): readonly DeploymentView[] {
  const group = GROUPS.find((one) => one.word === show);
  const part = q.toLowerCase();
  return deployments.filter(
    (deployment) =>
      (group === undefined || group.test(deployment)) && (node === '' || deployment.node === node) && (product === '' || deployment.product === product) && (part === '' || `${deployment.name}\n${deployment.prefix ?? ''}`.toLowerCase().includes(part)),
  );
}

/** The address of the overview with this filter, changed in a place or two. */
export function filterHref(team: string, filter: DeploymentFilter, change: Partial<DeploymentFilter> = {}): string {
  const { show, node, product, q, view, page } = { ...filter, page: 1, ...change };
  const words = Object.entries({ show, node, product, q, view, page: page > 1 ? String(page) : '' }).filter(([, value]) => value !== '');
  return href('teams', team) + (words.length === 0 ? '' : `?${new URLSearchParams(words).toString()}`);
}

export const NO_FILTER: DeploymentFilter = { show: '', node: '', product: '', q: '', view: '', page: 1 };

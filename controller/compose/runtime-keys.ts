/** `healthcheck`, `deploy`, limits and logging of a service: how it runs. */
import type { HealthCheck, ResourceAmounts } from '../../schemas/gen/types.ts';
import type { Draft } from './draft.ts';
import { lost } from './draft.ts';
import { takeGpus } from './gpus.ts';
import type { Dict, Item } from './tree.ts';
import { duration, size } from './units.ts';
import { isNothing, itemOf } from './values.ts';
import type { Loss } from './values.ts';

const HEALTH_KEYS: ReadonlySet<string> = new Set(['test', 'disable', 'interval', 'timeout', 'retries', 'start_period']);
const HEALTH_LOST: Readonly<Record<string, Loss>> = { start_interval: { why: 'Tagboat asks often at first in any case', code: 'NoEffect' } };

export function takeHealthcheck(draft: Draft, item: Item): void {
  const { values, findings } = draft.whole;
  const dict = values.dict(item);
  if (dict === undefined) return;
  values.account(dict, HEALTH_KEYS, HEALTH_LOST);
  const disable = itemOf(dict, 'disable');
  const test = itemOf(dict, 'test');
  const command = test === undefined ? undefined : healthCommand(draft, test);
  if (command === 'none' || (disable !== undefined && values.flag(disable) === true)) return;
  if (command === undefined) {
    if (test === undefined) findings.add('Differs', dict.at, 'a check that the image brings along is not run; the container is healthy once it has run for a while', 'Write the test into the compose file.');
    return;
  }
  // The engine's own defaults, which a compose file counts on.
  const check: HealthCheck = { command, interval: '30s', timeout: '30s' };
  for (const [key, name] of [['interval', 'interval'], ['timeout', 'timeout'], ['start_period', 'startPeriod']] as const) {
    const found = time(draft, dict, key);
    if (found !== undefined) check[name] = found === '0s' && key !== 'start_period' ? '30s' : found;
  }
  const retries = itemOf(dict, 'retries');
  const count = retries === undefined ? undefined : values.integer(retries);
  if (count !== undefined && count > 0) check.retries = Math.min(count, 1000);
  draft.config.healthCheck = check;
}

function healthCommand(draft: Draft, test: Item): string[] | 'none' | undefined {
  const words = draft.whole.values.words(test).map(({ value }) => value);
  const [kind, ...rest] = words;
  if (test.kind !== 'list') return kind === undefined || kind === '' ? undefined : ['/bin/sh', '-c', kind];
  if (kind === 'NONE') return 'none';
  if (kind === 'CMD' && rest.length > 0) return rest;
  if (kind === 'CMD-SHELL' && rest.length > 0) return ['/bin/sh', '-c', rest.join(' ')];
  if (kind !== undefined) draft.whole.findings.add('ComposeInvalid', test.at, 'a test begins with NONE, CMD or CMD-SHELL');
  return undefined;
}

function time(draft: Draft, dict: Dict, key: string): string | undefined {
  const item = itemOf(dict, key);
  const text = item === undefined ? undefined : draft.whole.values.word(item);
  const found = text === undefined ? undefined : duration(text);
  if (item !== undefined && text !== undefined && found === undefined) draft.whole.findings.add('ComposeInvalid', item.at, 'this is no time: 1m30s');
  return found;
}

const DEPLOY_KEYS: ReadonlySet<string> = new Set(['mode', 'replicas', 'resources', 'restart_policy', 'update_config']);
const DEPLOY_LOST: Readonly<Record<string, Loss>> = {
  labels: { why: 'they belong to a swarm service, not to its containers', code: 'NoEffect' },
  endpoint_mode: { why: 'it means something in a swarm only', code: 'NoEffect' },
  rollback_config: { why: 'Tagboat always puts back what ran before', code: 'NoEffect' },
  placement: { why: 'the deployment names the node', hint: 'Choose the node in the Deployment manifest.' },
};
const UPDATE_LOST: Readonly<Record<string, Loss>> = Object.fromEntries(
  ['parallelism', 'delay', 'failure_action', 'monitor', 'max_failure_ratio'].map((key) => [key, { why: 'Tagboat replaces one container at a time and puts back what ran before', code: 'NoEffect' }]),
);
const NO_GROUP: Readonly<Record<string, Loss>> = {
  generic_resources: { why: 'swarm’s own resources are not known' },
};

export function takeDeploy(draft: Draft, item: Item): void {
  const { values, findings } = draft.whole;
  const dict = values.dict(item);
  if (dict === undefined) return;
  values.account(dict, DEPLOY_KEYS, DEPLOY_LOST);
  const mode = itemOf(dict, 'mode');
  const word = mode === undefined ? undefined : values.word(mode);
  if (word === 'replicated-job' || word === 'global-job') draft.config.expectedState = { state: 'exited' };
  const replicas = itemOf(dict, 'replicas');
  if (replicas !== undefined) takeReplicas(draft, replicas);
  const resources = itemOf(dict, 'resources');
  if (resources !== undefined) takeResources(draft, resources);
  const restart = itemOf(dict, 'restart_policy');
  if (restart !== undefined) takeRestartPolicy(draft, restart);
  const update = itemOf(dict, 'update_config');
  const updates = update === undefined ? undefined : values.dict(update);
  if (updates === undefined) return;
  values.account(updates, new Set(['order']), UPDATE_LOST);
  const order = itemOf(updates, 'order');
  const wish = order === undefined ? undefined : values.word(order);
  if (wish === 'stop-first') draft.config.strategy = 'recreate';
  else if (wish !== undefined && wish !== 'start-first') findings.add('ComposeInvalid', (order as Item).at, 'start-first or stop-first is wanted here');
}

export function takeReplicas(draft: Draft, item: Item): void {
  const count = draft.whole.values.integer(item);
  if (count === 0) draft.config.replicas = 0;
  else if (count !== undefined && count !== 1) lost(draft, item.at, 'replicas: a Docker host runs each container once');
}

function takeResources(draft: Draft, item: Item): void {
  const { values } = draft.whole;
  const dict = values.dict(item);
  if (dict === undefined) return;
  values.account(dict, new Set(['limits', 'reservations']));
  for (const [group, name, more] of [['limits', 'limits', ['pids']], ['reservations', 'requests', ['devices']]] as const) {
    const found = itemOf(dict, group);
    const own = found === undefined ? undefined : values.dict(found);
    if (own === undefined) continue;
    values.account(own, new Set(['cpus', 'memory', ...more]), NO_GROUP);
    amount(draft, own, 'cpus', name, 'cpu');
    amount(draft, own, 'memory', name, 'memory');
    const pids = itemOf(own, 'pids');
    if (pids !== undefined && group === 'limits') takePids(draft, pids);
    const devices = itemOf(own, 'devices');
    if (devices !== undefined && group === 'reservations') takeGpus(draft, devices);
  }
}

function amount(draft: Draft, dict: Dict, key: string, group: 'limits' | 'requests', name: keyof ResourceAmounts): void {
  const item = itemOf(dict, key);
  if (item !== undefined && !isNothing(item)) setAmount(draft, item, group, name);
}

/** `cpus: 0.5`, `mem_limit: 512m`; 0 is no limit. */
export function setAmount(draft: Draft, item: Item, group: 'limits' | 'requests', name: keyof ResourceAmounts): void {
  const { values, findings } = draft.whole;
  let text: string | undefined;
  if (name === 'cpu') {
    const count = values.number(item);
    text = count === undefined ? undefined : String(Math.round(count * 1e9) / 1e9);
  } else {
    const written = values.word(item);
    text = written === undefined ? undefined : size(written);
    if (written !== undefined && text === undefined) findings.add('ComposeInvalid', item.at, 'this is no size: 512m');
  }
  if (text === undefined || text === '0') return;
  draft.config.resources = { ...draft.config.resources, [group]: { ...draft.config.resources?.[group], [name]: text } };
}

/** A share of the processor: 1024 is one. */
export function takeShares(draft: Draft, item: Item): void {
  const shares = draft.whole.values.number(item);
  if (shares === undefined || shares < 1) return;
  draft.config.resources = { ...draft.config.resources, requests: { ...draft.config.resources?.requests, cpu: (shares / 1024).toFixed(9).replace(/\.?0+$/, '') } };
}

export function takeQuota(draft: Draft, item: Item): void {
  const period = itemOf(draft.dict, 'cpu_period');
  const quota = draft.whole.values.number(item);
  const length = period === undefined ? 100_000 : draft.whole.values.number(period);
  if (quota === undefined || quota <= 0 || length === undefined || length <= 0) return;
  draft.config.resources = { ...draft.config.resources, limits: { ...draft.config.resources?.limits, cpu: (quota / length).toFixed(9).replace(/\.?0+$/, '') } };
}

export function takePids(draft: Draft, item: Item): void {
  const limit = draft.whole.values.integer(item);
  if (limit !== undefined && limit > 0) draft.docker.pidsLimit = limit;
}

export function takeRestart(draft: Draft, item: Item): void {
  const text = draft.whole.values.text(item) ?? 'no';
  const [policy, count] = text.split(':');
  if (policy === 'always' || policy === 'unless-stopped' || policy === 'no') draft.config.restartPolicy = policy;
  else if (policy === 'false' || policy === '') draft.config.restartPolicy = 'no';
  else if (policy === 'on-failure') {
    draft.config.restartPolicy = policy;
    if (count !== undefined && /^[1-9]\d{0,5}$/.test(count)) draft.docker.maxRestarts = Number(count);
  } else draft.whole.findings.add('ComposeInvalid', item.at, 'no, always, unless-stopped or on-failure is wanted here');
}

function takeRestartPolicy(draft: Draft, item: Item): void {
  const { values, findings } = draft.whole;
  const dict = values.dict(item);
  if (dict === undefined) return;
  values.account(dict, new Set(['condition', 'max_attempts']), { delay: { why: 'the engine waits as it sees fit', code: 'Differs' }, window: { why: 'the engine waits as it sees fit', code: 'Differs' } });
  const condition = itemOf(dict, 'condition');
  const word = condition === undefined ? 'any' : values.word(condition);
  if (word === 'none') draft.config.restartPolicy = 'no';
  else if (word === 'on-failure') draft.config.restartPolicy = 'on-failure';
  else if (word === 'any') draft.config.restartPolicy = 'always';
  else if (word !== undefined) findings.add('ComposeInvalid', (condition as Item).at, 'none, on-failure or any is wanted here');
  const attempts = itemOf(dict, 'max_attempts');
  const most = attempts === undefined ? undefined : values.integer(attempts);
  if (most === undefined || most < 1) return;
  if (draft.config.restartPolicy === 'on-failure') draft.docker.maxRestarts = most;
  else findings.add('Differs', (attempts as Item).at, 'restarts are bounded with on-failure only');
}

export function takeLogging(draft: Draft, item: Item): void {
  const { values } = draft.whole;
  const dict = values.dict(item);
  if (dict === undefined) return;
  values.account(dict, new Set(['driver', 'options']));
  const driverItem = itemOf(dict, 'driver');
  const optionsItem = itemOf(dict, 'options');
  const driver = driverItem === undefined ? 'json-file' : (values.text(driverItem) ?? 'json-file');
  const options = optionsItem === undefined ? [] : [...values.pairs(optionsItem)].flatMap(([key, { value }]) => (value === null ? [] : [[key, value] as const]));
  draft.config.logConfig = { driver, ...(options.length > 0 && { options: Object.fromEntries(options) }) };
}

/** A time of a service: `stop_grace_period`. */
export function timeOf(draft: Draft, item: Item): string | undefined {
  const text = draft.whole.values.word(item);
  const found = text === undefined ? undefined : duration(text);
  if (text !== undefined && found === undefined) draft.whole.findings.add('ComposeInvalid', item.at, 'this is no time: 1m30s');
  return found;
}

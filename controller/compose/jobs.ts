/** Services that end by themselves. Compose lets every service end; a deployment wants to know which are meant to. */
import type { Draft } from './draft.ts';
import type { Dict, Item } from './tree.ts';
import { itemOf } from './values.ts';

/** Names of what people let run once. */
const JOB = /(^|[-_.])(init|setup|migrat\w*|seed(er)?|bootstrap|configurator|provision(er|ing)?|create\w*|generate|import|pull|chown|permissions)([-_.]|$)/i;

/** Services that somebody waits for to end: they are jobs. */
export function jobsOf(services: Iterable<Dict>, text: (item: Item) => string | null | undefined): Set<string> {
  const jobs = new Set<string>();
  for (const service of services) {
    const item = itemOf(service, 'depends_on');
    if (item?.kind !== 'dict') continue;
    for (const [name, { item: inner }] of item.entries) {
      const condition = inner.kind === 'dict' ? itemOf(inner, 'condition') : undefined;
      if (condition !== undefined && text(condition) === 'service_completed_successfully') jobs.add(name);
    }
  }
  return jobs;
}

/** Once restarts, ports and checks of the service are known. */
export function settleJob(draft: Draft): void {
  const { config, dict, service, at, whole } = draft;
  if (whole.jobs.has(service)) config.expectedState = { state: 'exited' };
  else if (config.expectedState === undefined && mayEnd(draft)) {
    const said = itemOf(dict, 'restart')?.at ?? at;
    if (JOB.test(service)) {
      config.expectedState = { state: 'exited' };
      whole.findings.add('Differs', said, `${service} seems to be a job; the deployment waits for it to end well`, 'Take `expectedState` away from the image if it keeps running.');
    } else if (dict.entries.has('restart') || hasPolicy(dict)) {
      whole.findings.add('MayEnd', said, `${service} is not restarted when it ends; a container that ends by itself is a failure here`);
    }
  }
  if (config.expectedState?.state === 'exited') config.restartPolicy = config.restartPolicy === 'on-failure' ? 'on-failure' : 'no';
}

/** Nobody restarts it, nobody calls it, and nobody asks how it is. */
function mayEnd({ config, service }: Draft): boolean {
  const restarted = config.restartPolicy !== 'no' && !(config.restartPolicy === 'on-failure' && JOB.test(service));
  return !restarted && config.ports === undefined && config.portRanges === undefined && config.healthCheck === undefined && config.replicas !== 0;
}

function hasPolicy(dict: Dict): boolean {
  const deploy = itemOf(dict, 'deploy');
  return deploy?.kind === 'dict' && itemOf(deploy, 'restart_policy') !== undefined;
}

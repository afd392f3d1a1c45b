/** Values that are well formed and mean nothing: an engine takes a limit of zero for none, and forgets a route that nobody is led along. Pure. */
import { quantity } from '../../proto/quantity.ts';
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import { parseDuration } from './duration.ts';
import { pointerStep } from './manifest.ts';

type Add = (pointer: string, message: string, hint: string, severity?: 'warning') => void;

const OWN_LABELS = 'tagboat.dev/';
/** A millionth is what a cluster counts in, and far below what an engine can give. */
const LEAST_CPU = 0.001;

export function checkValues(image: string, config: ContainerConfig, add: Add): void {
  checkResources(image, config, add);
  checkTimes(image, config, add);
  for (const [index, { size }] of (config.volumes ?? []).entries()) {
    if (size !== undefined && quantity(String(size)) < 1) add(`/volumes/${index}/size`, `a volume of image ${image} has the size ${size}`, 'Leave it out where there shall be no limit.');
  }
  for (const [base, labels] of [['/labels', config.labels], ...(['deployment', 'service', 'ingress'] as const).map((part) => [`/kubernetes/labels/${part}`, config.kubernetes?.labels?.[part]] as const)] as const) {
    for (const key of Object.keys(labels ?? {})) if (key.startsWith(OWN_LABELS)) add(base + pointerStep(key), `the label ${key} of image ${image} is one of Tagboat's own`, `Choose a key that does not start with ${OWN_LABELS}.`);
  }
  for (const path of Object.keys(config.docker?.files ?? {})) {
    if (path.endsWith('/')) add(`/docker/files${pointerStep(path)}`, `${path} of image ${image} is the path of a directory`, 'Name the file in it.');
  }
  const { routing } = config;
  if (routing?.uploadLimit !== undefined && quantity(String(routing.uploadLimit)) < 1) add('/routing/uploadLimit', `the uploadLimit of image ${image} is ${routing.uploadLimit}: less than one byte`, 'Leave it out where there shall be no limit; `m` is a thousandth, `M` a million.');
  if (routing !== undefined && config.expose === undefined) add('/routing', `image ${image} has a routing and no expose, so nothing leads to it`, 'Add `expose: http` or `expose: https`, or `expose: none` where that is what is wanted.', 'warning');
}

/** To an engine a limit of zero is no limit at all. */
function checkResources(image: string, { resources }: ContainerConfig, add: Add): void {
  for (const [kind, least, unit] of [['cpu', LEAST_CPU, 'a thousandth of a processor'], ['memory', 1, 'one byte']] as const) {
    for (const part of ['requests', 'limits'] as const) {
      const text = resources?.[part]?.[kind];
      if (text === undefined) continue;
      const amount = quantity(String(text));
      const at = `/resources/${part}/${kind}`;
      if (amount < least && (part === 'limits' || amount > 0)) add(at, `${part}.${kind} of image ${image} is ${text}: less than ${unit}`, kind === 'memory' ? 'Leave it out where there shall be no limit; `m` is a thousandth, `M` a million.' : 'Leave it out where there shall be no limit.');
      if (amount > Number.MAX_SAFE_INTEGER) add(at, `${part}.${kind} of image ${image} is ${text}: more than any machine has`, 'Correct the suffix.');
    }
    const [asked, most] = [resources?.requests?.[kind], resources?.limits?.[kind]];
    if (asked !== undefined && most !== undefined && quantity(String(asked)) > quantity(String(most))) add(`/resources/requests/${kind}`, `image ${image} is promised more ${kind} (${asked}) than it may use (${most})`, 'Raise the limit, or lower the request.');
  }
}

/** Never a probe without a pause, and none that has no time to answer. */
function checkTimes(image: string, { healthCheck }: ContainerConfig, add: Add): void {
  if (healthCheck === undefined) return;
  const { start, live, ready } = healthCheck;
  for (const [base, probe] of [['/healthCheck', healthCheck], ['/healthCheck/start', start], ['/healthCheck/live', live], ['/healthCheck/ready', ready]] as const) {
    for (const key of ['interval', 'timeout'] as const) {
      const text = probe?.[key];
      if (text !== undefined && parseDuration(text) === 0) add(`${base}/${key}`, `the ${key} of a health check of image ${image} is ${text}`, 'Give it some time, or leave it out: 5s is the default.');
    }
  }
  const asks = (['command', 'http', 'tcp'] as const).some((way) => healthCheck[way] !== undefined);
  const idle = (['interval', 'timeout', 'retries', 'startPeriod'] as const).find((key) => healthCheck[key] !== undefined);
  if (!asks && idle !== undefined) add(`/healthCheck/${idle}`, `the health check of image ${image} says ${idle}, and neither command, http nor tcp: nothing is asked`, 'Say what to ask, or leave it out; `settle` is the time that a container without one has to run.', 'warning');
  if (asks && healthCheck.settle !== undefined) add('/healthCheck/settle', `settle of image ${image} is for containers without a probe, and this one has one`, 'Leave it out; `startPeriod` is the time in which failures do not count.', 'warning');
}

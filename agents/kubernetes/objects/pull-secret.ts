/** What nodes pull with: the credentials of the registries that the images name, each under its own host. Pure. */
import type { TargetSpec } from '../../../schemas/gen/types.ts';
import { LABEL, targetLabels } from './labels.ts';
import type { BuildInput, KubeObject } from './types.ts';

/** One name for all times: a password that is renewed restarts no pod. */
const NAME = 'tagboat-registries';
/** The name under which every engine looks for Docker Hub's. */
const HUB = 'https://index.docker.io/v1/';

export interface Login {
  readonly host: string;
  readonly username: string;
  readonly password: string;
}

export function pullSecrets({ spec, attemptId, logins }: BuildInput): KubeObject[] {
  if (logins.length === 0) return [];
  const auths = Object.fromEntries(logins.map(({ host, username, password }) => [host === 'docker.io' ? HUB : host, { username, password, auth: base64(`${username}:${password}`) }]));
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: NAME, namespace: spec.prefix, labels: labelsOf(spec, attemptId) },
      type: 'kubernetes.io/dockerconfigjson',
      data: { '.dockerconfigjson': base64(JSON.stringify({ auths })) },
    },
  ];
}

export function pullReferences({ logins }: BuildInput): { imagePullSecrets?: { name: string }[] } {
  return logins.length === 0 ? {} : { imagePullSecrets: [{ name: NAME }] };
}

function labelsOf(spec: TargetSpec, attemptId: bigint): Record<string, string> {
  return { ...targetLabels(spec), [LABEL.attempt]: String(attemptId) };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

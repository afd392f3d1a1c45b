/** One object by its name, whole. As a list of one: more than to list is not granted to the agent. */
import { isMissing } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import { patiently } from './api.ts';
import type { Content } from './baseline.ts';
import { kindOf, pathOf } from './kinds.ts';
import { objectKey } from './objects/target-objects.ts';
import type { KubeObject } from './objects/types.ts';

export async function findObject(api: KubeApi, object: KubeObject, until: AbortSignal): Promise<Content | undefined> {
  const { kind, metadata } = object;
  const query = { fieldSelector: `metadata.name=${metadata.name}` };
  const { items = [] } = await patiently(`look at ${objectKey(object)}`, until, () =>
    api.call<{ items?: readonly Omit<Content, 'kind'>[] }>({ method: 'GET', path: pathOf(kindOf(kind), metadata.namespace), query }).catch((error: unknown) => {
      if (isMissing(error)) return { items: [] };
      throw error;
    }),
  );
  const [found] = items;
  return found === undefined ? undefined : ({ ...found, kind } as Content);
}

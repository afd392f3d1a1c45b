/** Does the cluster know ServiceMonitor, the kind of the Prometheus operator? */
import { isMissing } from './api-failure.ts';
import type { KubeApi } from './api.ts';
import { patiently } from './api.ts';
import { SERVICE_MONITOR } from './kinds.ts';

export async function knowsMonitors(api: KubeApi, until: AbortSignal): Promise<boolean> {
  const path = `/apis/${SERVICE_MONITOR.apiVersion}`;
  const found = await patiently('ask for ServiceMonitor', until, () =>
    api.call<{ resources?: readonly { name?: string }[] }>({ method: 'GET', path }).catch((error: unknown) => {
      if (isMissing(error)) return { resources: [] };
      throw error;
    }),
  );
  return (found.resources ?? []).some((one) => one.name === SERVICE_MONITOR.plural);
}

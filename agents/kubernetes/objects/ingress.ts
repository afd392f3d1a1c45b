/**
 * How requests from outside reach an image. Class and issuer are said in the standard's and cert-manager's own fields; what the standard
 * has no field for (prefix off, body limit, headers across origins) is said in the annotations of ingress-nginx. Pure.
 */
import type { V1IngressSpec } from '@kubernetes/client-node';
import type { ContainerConfig } from '../../../schemas/gen/types.ts';
import { quantity } from '../../../proto/quantity.ts';
import { derivedName, imageLabels, manifestAnnotations, versionAnnotations, workloadName } from './labels.ts';
import type { ImageInput, KubeObject } from './types.ts';

const NGINX = 'nginx.ingress.kubernetes.io';
const PROXY_HEADERS = ['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-Server', 'X-Real-IP', 'X-Requested-With'];

export function ingresses({ spec, image, attemptId }: ImageInput): KubeObject[] {
  const { config } = image;
  if ((config.expose ?? 'none') === 'none') return [];
  const port = config.routing?.port ?? config.ports?.find((one) => one.protocol !== 'udp')?.internal;
  if (port === undefined) throw new RangeError(`${image.name} is to be exposed and names no port: set routing.port or ports`);
  const name = workloadName(image);
  const host = config.routing?.domain;
  const path = config.routing?.path ?? '/';
  const strip = config.routing?.stripPath === true && path !== '/';
  const rule = {
    ...(host !== undefined && { host }),
    http: {
      paths: [
        {
          path: strip ? `${escaped(path.replace(/\/+$/, ''))}(/|$)(.*)` : path,
          pathType: strip ? 'ImplementationSpecific' : 'Prefix',
          backend: { service: { name: image.name, port: { number: port } } },
        },
      ],
    },
  };
  const ingress: V1IngressSpec = {
    ...(config.kubernetes?.ingressClass !== undefined && { ingressClassName: config.kubernetes.ingressClass }),
    rules: [rule],
    ...(config.expose === 'https' && { tls: [{ ...(host !== undefined && { hosts: [host] }), secretName: derivedName(name, 'tls') }] }),
  };
  return [
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: {
        name,
        namespace: spec.prefix,
        labels: imageLabels(spec, image, attemptId, 'ingress'),
        annotations: { ...versionAnnotations(spec), ...behaviour(config, strip), ...manifestAnnotations(config, 'ingress') },
      },
      spec: ingress,
    },
  ];
}

function behaviour(config: ContainerConfig, strip: boolean): Record<string, string> {
  const { routing, kubernetes, expose } = config;
  const headers = [...(kubernetes?.proxyHeaders === true ? PROXY_HEADERS : []), ...(kubernetes?.customHeaders ?? [])];
  return {
    ...(strip && { [`${NGINX}/use-regex`]: 'true', [`${NGINX}/rewrite-target`]: '/$2' }),
    ...(routing?.uploadLimit !== undefined && { [`${NGINX}/proxy-body-size`]: String(Math.ceil(quantity(String(routing.uploadLimit)))) }),
    ...(headers.length > 0 && { [`${NGINX}/enable-cors`]: 'true', [`${NGINX}/cors-allow-headers`]: [...new Set(headers)].join(', ') }),
    ...(expose === 'https' && kubernetes?.issuer !== undefined && { 'cert-manager.io/cluster-issuer': kubernetes.issuer }),
  };
}

/** A path of the manifest is text, and the annotation makes a pattern of it. */
function escaped(path: string): string {
  return path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Rendered deployments as text and as YAML, each value with the place that it came from. */
import { Document, isMap, isPair } from 'yaml';
import type { Pair, YAMLMap } from 'yaml';
import { pointerStep } from '../model/manifest.ts';
import type { RenderedDeployment, RenderedImage, RenderedOrigin } from './render-deployment.ts';

/** One line for each value: path, value, place, layer. */
export function renderText(deployments: readonly RenderedDeployment[]): string {
  return deployments
    .map((deployment) => {
      const head = `${deployment.name}: ${deployment.product} ${deployment.version} on ${deployment.node}/${deployment.prefix} (${deployment.readAt})`.replace('  ', ' ');
      return [head, ...deployment.images.map(imageText)].join('\n');
    })
    .map((block) => `${block}\n`)
    .join('\n');
}

function imageText(image: RenderedImage): string {
  const rows = leaves(image).map(({ pointer, value, origin }) => [pointer.slice(1).split('/').map(unescape).join('.'), JSON.stringify(value), placeText(origin)] as const);
  const widths = [0, 1].map((column) => Math.min(60, Math.max(0, ...rows.map((row) => (row[column] as string).length))));
  const after = image.dependsOn.length === 0 ? '' : `, after ${image.dependsOn.join(', ')}`;
  const lines = rows.map(([path, value, place]) => `    ${path.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${place}`);
  return [`  ${image.name}: ${image.image}${after}`, ...lines].join('\n');
}

/** The same as YAML documents; places are comments. */
export function renderYaml(deployments: readonly RenderedDeployment[]): string {
  return deployments
    .map(({ images, ...deployment }) => {
      const document = new Document({ ...deployment, images: images.map(({ provenance: _provenance, ...image }) => image) });
      for (const [index, image] of images.entries()) {
        const config = document.getIn(['images', index, 'config']);
        if (isMap(config)) annotate(config, '', image.provenance);
      }
      return document.toString({ lineWidth: 0 });
    })
    .join('---\n');
}

function annotate(map: YAMLMap, pointer: string, provenance: Readonly<Record<string, RenderedOrigin>>): void {
  for (const pair of map.items) {
    if (!isPair(pair)) continue;
    const { key, value } = pair as Pair<{ value: string; commentBefore?: string | null }, { comment?: string | null } | null>;
    const at = `${pointer}${pointerStep(key.value)}`;
    const origin = provenance[at];
    if (origin === undefined) {
      if (isMap(value)) annotate(value, at, provenance);
    } else if (value !== null && 'value' in value) value.comment = ` ${placeText(origin)}`;
    else key.commentBefore = ` ${placeText(origin)}`;
  }
}

function leaves(image: RenderedImage): { pointer: string; value: unknown; origin: RenderedOrigin }[] {
  return Object.entries(image.provenance).map(([pointer, origin]) => ({ pointer, value: valueAt(image.config, pointer), origin }));
}

function valueAt(config: unknown, pointer: string): unknown {
  return pointer.slice(1).split('/').map(unescape).reduce<unknown>((value, step) => (value !== null && typeof value === 'object' ? (value as Record<string, unknown>)[step] : undefined), config);
}

function placeText(origin: RenderedOrigin): string {
  return origin.file === '' ? origin.layer : `${origin.file}:${origin.line}:${origin.column} (${origin.layer})`;
}

function unescape(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}

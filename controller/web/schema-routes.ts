/** The schemas of manifests and of the configuration, for editors and programs; they hold no secret, so everybody may read them (SPEC §5). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TagboatError } from '../errors.ts';
import { KINDS } from '../model/manifest.ts';
import { packageRoot } from '../package-root.ts';
import { parameter } from './context.ts';
import type { Routes } from './routes.ts';

/** What the schemas of manifests refer to. */
const SHARED = 'ContainerConfig';
const SERVED = [...KINDS, SHARED, 'ControllerConfig', 'TargetSpec'] as const;
/** `configbundle` → `config-bundle`. */
const FILES = new Map<string, string>(SERVED.map((kind) => [kind.toLowerCase(), fileOf(kind)]));

type Schema = Readonly<Record<string, unknown>>;

export function addSchemaRoutes(routes: Routes): void {
  routes.get('/schemas', 'anybody', (_request, response) => {
    response.json([...KINDS, 'ControllerConfig'].map((kind) => ({ kind, url: `/schemas/${fileOf(kind)}.json` })));
  });

  // Editors look for what a schema refers to beside it, under the name that it has in `schemas/`.
  routes.get('/schemas/:kind.json', 'anybody', async (request, response) => {
    const file = FILES.get(parameter(request, 'kind').replace(/\.schema$/, '').replaceAll('-', '').toLowerCase());
    if (file === undefined) throw new TagboatError('NotFound', 'there is no schema of this kind', { hint: 'Kinds are written like deployment or config-bundle; GET /schemas lists them.' });
    response.set('Cache-Control', 'public, max-age=300').type('application/schema+json').send(JSON.stringify(await bundled(file), null, 2));
  });
}

/** With the definitions of the shared schema inside, so that one answer is enough to check a manifest with. */
async function bundled(file: string): Promise<Schema> {
  const schema = await readSchema(file);
  const elsewhere = `"${fileOf(SHARED)}.schema.json#/`;
  const text = JSON.stringify(schema);
  if (!text.includes(elsewhere)) return schema;
  const own = JSON.parse(text.replaceAll(elsewhere, '"#/')) as Schema;
  const shared = await readSchema(fileOf(SHARED));
  return { ...own, $defs: { ...(shared['$defs'] as Schema), ...(own['$defs'] as Schema | undefined) } };
}

async function readSchema(file: string): Promise<Schema> {
  return JSON.parse(await readFile(join(packageRoot(), 'schemas', `${file}.schema.json`), 'utf8')) as Schema;
}

function fileOf(kind: string): string {
  return kind.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}

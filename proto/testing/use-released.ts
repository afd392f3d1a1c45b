/** `node --import tsx --import …/use-released.ts`: the process reads and writes the protocol as the release in TAGBOAT_TEST_RELEASED did. */
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';

const folder = process.env['TAGBOAT_TEST_RELEASED'];
if (folder === undefined) throw new Error('TAGBOAT_TEST_RELEASED names no folder');
const places = {
  'proto/gen/agent/v1/agent.ts': pathToFileURL(`${folder}/agent.ts`).href,
  'schemas/gen/validators.ts': pathToFileURL(`${folder}/validators.ts`).href,
};
const hooks = `
const places = ${JSON.stringify(places)};
export async function resolve(specifier, context, next) {
  const ours = context.parentURL?.includes('/agents/') ? Object.entries(places).find(([end]) => specifier.endsWith(end)) : undefined;
  if (ours !== undefined) return next(ours[1], context);
  return next(specifier, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

/** The OpenAPI 3.1 document of /api/v1, put together from operations and schemas. Pure. */
import type { Schema } from './notation.ts';
import { OPERATIONS } from './operations.ts';
import type { Operation } from './operations.ts';
import { SCHEMAS } from './schemas.ts';

const NEEDS: Readonly<Record<Operation['need'], string>> = {
  anybody: 'Answers everybody.', signature: 'Needs a signature of the body.', reader: 'For everybody who may read something.', user: 'Needs a role in the team.', admin: 'Needs the role admin in the team.', owner: 'Needs the role owner in the team.', operator: 'For the operator\'s token alone.',
};
const ERRORS: Readonly<Record<string, string>> = {
  400: 'The request is not well formed.', 401: 'A token or a session is needed, or it is not valid.', 403: 'The role is not enough.', 404: 'It is not there, or you may not see it.', 409: 'What is there already stands against it.', 503: 'The database or the node does not answer.',
};

export function openApiDocument(version: string): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of OPERATIONS) (paths[operation.path] ??= {})[operation.method] = describe(operation);
  return {
    openapi: '3.1.0',
    info: { title: 'Tagboat', version, description: 'What is deployed, what waits and why. Read-only but for enrolments, revocations and access tokens: Git is the only way in. Fields are only ever added.', license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/api/v1' }],
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'An access token, or the operator\'s.' },
        session: { type: 'apiKey', in: 'cookie', name: 'tagboat-session', description: 'Of a browser; `__Host-tagboat-session` behind https. What changes something also wants the header X-CSRF-Token.' },
      },
      responses: Object.fromEntries(Object.entries(ERRORS).map(([status, description]) => [`Error${status}`, { description, content: json({ $ref: '#/components/schemas/Error' }) }])),
    },
  };
}

function describe({ path, need, id, summary, query = {}, body, answer, status, streams }: Operation): Readonly<Record<string, unknown>> {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  const inQuery = Object.entries(query).map(([name, schema]) => ({ name, in: 'query', required: false, schema }));
  const content = streams === undefined ? json(answer ?? {}) : Object.fromEntries(Object.entries(streams).map(([type, schema]) => [type, { schema }]));
  return {
    operationId: id,
    summary,
    description: NEEDS[need],
    'x-tagboat-needs': need,
    ...(inPath.length + inQuery.length > 0 && { parameters: [...inPath, ...inQuery] }),
    ...(body !== undefined && { requestBody: { required: true, content: json(body) } }),
    responses: {
      ...(answer === null ? { 204: { description: 'Done.' } } : { [status ?? 200]: { description: summary, content } }),
      ...Object.fromEntries(Object.keys(ERRORS).map((code) => [code, { $ref: `#/components/responses/Error${code}` }])),
    },
  };
}

function json(schema: Schema): Readonly<Record<string, unknown>> {
  return { 'application/json': { schema } };
}

import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Manifest } from '../model/manifest.ts';
import { parseManifestFile } from './parse-file.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (text: string) => parseManifestFile('a.yaml', bytes(text));
const HEAD = 'apiVersion: tagboat/v1\n';
const codes = (text: string): string[] => parse(text).problems.map((item) => item.code);
/** Hostile input must cost little: time of the processor, which does not depend on who else is at work. */
const within = (milliseconds: number, work: () => void): void => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1_000 < milliseconds, `took ${Math.round((user + system) / 1_000)} ms of processor time`);
};

const SPEC_EXAMPLE = `# products/shop/product.yaml
apiVersion: tagboat/v1
kind: Product
metadata: { name: shop }
spec: { type: complex }
---
# products/shop/version.yaml: metadata.name is the product's
apiVersion: tagboat/v1
kind: Version
metadata: { name: shop }
spec:
  bundles: [ logging ]
  images:
    - name: db
      image: postgres:16
      config:
        environment: { POSTGRES_DB: shop }
        volumes: [ { name: data, path: /var/lib/postgresql/data } ]
        healthCheck: { command: [ pg_isready ], interval: 2s, retries: 15 }
    - name: web
      image: ghcr.io/acme/shop-web:1.2.0
      registry: ghcr
      dependsOn: [ db ]
      config:
        ports: [ { internal: 8080, external: 80 } ]
        healthCheck: { http: { path: /healthz, port: 8080 }, startPeriod: 5s }
---
# deployments/shop-production.yaml
apiVersion: tagboat/v1
kind: Deployment
metadata: { name: shop-production }
spec:
  product: shop
  version: 1.2.0            # or  branch: main
  node: harbor
  prefix: shop
  environment: { REGION: eu }
  images:
    web: { environment: { WORKERS: "4" } }
`;

test('the example of the specification is valid as it stands', () => {
  const { manifests, problems } = parse(SPEC_EXAMPLE);
  assert.equal(problems, []);
  assert.equal(manifests.map(({ kind, name }) => `${kind}/${name}`), ['Product/shop', 'Version/shop', 'Deployment/shop-production']);
  const deployment = manifests[2] as Manifest<'Deployment'>;
  assert.is(deployment.spec.version, '1.2.0');
  assert.equal(deployment.position('/spec/node'), { file: 'a.yaml', line: 35, column: 9 });
  assert.equal(deployment.position('/spec/images/web/environment/WORKERS'), { file: 'a.yaml', line: 39, column: 36 });
  assert.equal(deployment.keyPosition('/spec/images/web'), { file: 'a.yaml', line: 39, column: 5 });
  assert.equal(deployment.position('/spec/nowhere/at/all'), deployment.position('/spec'));
});

test('text is taken as it is written, where the schema says text and nowhere else', () => {
  const text = `${HEAD}kind: Deployment
metadata: { name: a }
spec:
  product: p
  node: n
  prefix: x
  retries: 1
  environment: { VERSION: 1.10, DEBUG: true, PORT: 0x1F, BIG: 9007199254740993, NONE: "" }
  images:
    labels: { tty: true, args: [ --port, 8080 ], user: 1000, resources: { limits: { cpu: 0.50, memory: 64Mi } }, labels: { n: 1 } }
`;
  const { manifests, problems } = parse(text);
  assert.equal(problems, []);
  const { spec } = manifests[0] as Manifest<'Deployment'>;
  assert.is(spec.retries, 1);
  assert.equal(spec.environment, { VERSION: '1.10', DEBUG: 'true', PORT: '0x1F', BIG: '9007199254740993', NONE: '' });
  assert.equal(spec.images?.['labels'], { tty: true, args: ['--port', '8080'], user: '1000', resources: { limits: { cpu: '0.50', memory: '64Mi' } }, labels: { n: '1' } });
});

test('an unknown key is a problem at the key, with the key that was meant', () => {
  const { manifests, problems } = parse(`${HEAD}kind: Node\nmetadata: { name: a }\nspec:\n  type: docker\n  lables: {}\n`);
  assert.is(manifests.length, 0);
  assert.is(problems.length, 1);
  const [found] = problems;
  assert.equal({ code: found?.code, line: found?.line, column: found?.column, object: found?.object }, { code: 'SchemaViolation', line: 6, column: 3, object: 'Node/a' });
  assert.match(found?.hint ?? '', /Did you mean labels\?/);
});

test('all problems of a file at once, the rest of the file is read', () => {
  const { manifests, problems } = parse(`${HEAD}kind: Nod\n---\n${HEAD}kind: Node\nmetadata: { name: good }\nspec: { type: docker }\n---\n${HEAD}kind: Node\nmetadata: { name: Bad }\nspec: { type: vm }\n`);
  assert.equal(manifests.map(({ name }) => name), ['good']);
  assert.equal(problems.map(({ code, line }) => `${code}:${line}`).sort(), ['SchemaViolation:11', 'SchemaViolation:12', 'UnknownKind:2']);
  assert.match(problems[0]?.hint ?? '', /Did you mean Node\?/);
});

test('texts that no row and no process can hold are problems at their place, however they are written', () => {
  for (const escape of ['\\0', '\\x00', '\\u0000', '\\uD800', '\\uDC00x']) {
    const { manifests, problems } = parse(`${HEAD}kind: ConfigBundle\nmetadata: { name: a }\nspec:\n  environment:\n    LEVEL: "a${escape}"\n`);
    assert.equal([manifests.length, ...problems.map(({ code, line, column }) => `${code}:${line}:${column}`)], [0, 'YamlSyntax:6:12'], escape);
    assert.equal(codes(`${HEAD}kind: ConfigBundle\nmetadata: { name: a }\nspec:\n  environment: { "K${escape}": x }\n`), ['YamlSyntax'], escape);
  }
  assert.equal(codes(`${HEAD}kind: ConfigBundle\nmetadata: { name: a }\nspec:\n  environment: { LEVEL: "\\uD83D\\uDEA2", PLAIN: "🚢" }\n`), []);
});

test('a pasted secret at the wrong place is not repeated in a problem (R27)', () => {
  const canary = 'canary-7f3a';
  for (const text of [`spec: { type: ${canary} }`, `spec: { type: docker, labels: ${canary} }`, `spec: { type: docker, description: [ ${canary} ] }`, `spec: "${canary}`, `spec: ${canary}: ${canary}`, `spec: *${canary}`, `spec: &${canary} x`, `spec: !${canary} x`, `spec: "x" "${canary}"`, `spec: [ ] "${canary}"`, `spec: { type: "${canary}" ] }`, `spec: "\\q${canary}"`, `%${canary}`, `'${canary}' 'x'`, `spec: { type: docker, labels: { k: [ ${canary} ] } }`, `- ${canary}\n}${canary}`, `spec: @${canary}`, `spec: |${canary}\n  x`, `spec: >\n  x\n ${canary}\n${canary}`, `? [ ${canary} ]\n: x`]) {
    const { problems } = parse(`${HEAD}kind: Node\nmetadata: { name: a }\n${text}\n`);
    assert.ok(problems.length > 0);
    assert.not.match(JSON.stringify(problems), canary);
  }
});

test('YAML of others is nobody\'s problem, whatever is wrong with it', () => {
  for (const text of ['services: { a: &x {}, b: *x, c: !reset {} }', '{{ template }}', 'a: {{ .Values.a }}\nb: [', 'apiVersion: v1\nkind: Node\n', '', 'a: 1\na: 2', 'hello', '- hosts: all', 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: &n a, labels: { a: *n } }\nspec: { replicas: 1 }\n', 'apiVersion: v1\nkind: ConfigMap\ndata:\n  x: |\n    apiVersion: tagboat/v1\n    kind: Nod\n']) {
    assert.equal(parse(text), { manifests: [], problems: [] }, text);
  }
});

test('what is no YAML at all may have been a manifest: a problem wherever it lies', () => {
  const found = (text: string, path = 'somewhere/a.yaml'): string[] => parseManifestFile(path, bytes(text)).problems.map(({ code, severity, line, column }) => `${code} ${severity} ${line}:${column}`);
  assert.equal(found('a: ['), ['YamlSyntax error 1:5']);
  assert.equal(found('a: b: c\n'), ['YamlSyntax error 1:4']);
  assert.equal(found('services: { a: &x {}, b: *x }\n}\n').length, 1);
  assert.equal(found('{{ template }}', 'deployments/a.yaml').length, 1, 'manifests are no templates');
  const long = `${'a: b\n'.repeat(30_000)}c: [`;
  assert.equal([found(long).length, found(long, 'deployments/a.yaml').length], [0, 1], 'what others have a lot of is not read');
  assert.equal(parseManifestFile('a.yaml', Uint8Array.of(0x61, 0xff, 0x0a)).problems.map(({ code }) => code), ['NotUtf8']);
  assert.equal(parseManifestFile('a.yaml', Uint8Array.of(0x61, 0x00, 0x0a)).problems.map(({ code }) => code), ['YamlSyntax']);
});

test('something else where manifests usually are', () => {
  const found = (text: string, path: string): string[] => parseManifestFile(path, bytes(text)).problems.map(({ code, line, column }) => `${code} ${line}:${column}`);
  for (const path of ['team.yaml', 'nodes/a.yml', 'deployments/a.yaml', 'products/a/version.yaml']) {
    assert.equal(found('oops', path), ['SchemaViolation 1:1'], path);
    assert.equal(found('a: b\n', path), ['UnknownKind 1:1'], path);
    assert.equal(found('a: &x b\nc: *x\n', path), ['YamlAlias 1:4'], path);
    assert.equal([...found('', path), ...found('# nothing yet\n---\n', path)], [], path);
  }
  assert.equal(found('apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: &n a, labels: { a: *n } }\nspec: { replicas: 1 }\n', 'deployments/a.yaml'), []);
  assert.equal([...found('a: b\n', 'deployments/more/a.yaml'), ...found('a: b\n', 'products/a/values.yaml')], []);
});

test('what is ours is found however it is written: indented, as JSON, with apiVersion forgotten or misspelt', () => {
  const names = (text: string): string[] => parse(text).manifests.map(({ name }) => name);
  const node = { apiVersion: 'tagboat/v1', kind: 'Node', metadata: { name: 'a' }, spec: { type: 'docker' } };
  assert.equal(names(JSON.stringify(node, null, 2)), ['a']);
  assert.equal(names(`# a node\n\n  ${HEAD}  kind: Node\n  metadata: { name: a }\n  spec: { type: docker }\n`), ['a']);
  const rest = 'kind: Node # of ours\nmetadata: { name: a }\nspec: { type: docker }\n';
  for (const text of [rest, `apiVersion: tagboat\n${rest}`, `apiVersion: Tagboat/v1\n${rest}`, `apiVersion: tagboat.dev/v1\n${rest}`]) assert.equal(codes(text), ['SchemaViolation'], text);
  for (const version of ['v1', 'tagbaot/v1', 'apps/v1']) assert.equal(parse(`apiVersion: ${version}\n${rest}`).problems.map(({ code, line, column }) => `${code} ${line}:${column}`), ['SchemaViolation 1:13'], version);
  for (const text of ['kind: Node\n', 'kind: Widget\nspec: {}\n', 'apiVersion: v1\nkind: Node\nmetadata: { name: a }\nspec: { podCIDR: 10.0.0.0/24 }\n']) assert.equal(parse(text), { manifests: [], problems: [] }, text);
});

test('another version of the format is a problem', () => {
  assert.equal(codes('apiVersion: tagboat/v2\nkind: Node\nmetadata: { name: a }\nspec: { type: docker }'), ['SchemaViolation']);
});

test('aliases, anchors and tags are refused at their place', () => {
  assert.equal(parse(`${HEAD}a: &x 1\nb: *x\n`).problems.map(({ code, line, column }) => [code, line, column]), [['YamlAlias', 2, 4]]);
  assert.equal(codes(`${HEAD}a: *x\n`), ['YamlAlias']);
  assert.equal(codes(`${HEAD}a: !!js/function x\n`), ['YamlSyntax']);
  const text = parse(`${HEAD}kind: Node\nmetadata: { name: a }\nspec: { type: docker, labels: { a: "*x", b: "&y", c: x & y } }\n`);
  assert.equal(text.problems, []);
});

test('alias bomb', () => {
  const bomb = `${HEAD}a0: &a0 [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(',')}]\n`).join('')}`;
  within(500, () => assert.equal(codes(bomb), ['YamlAlias']));
});

test('document of ten megabytes', () => {
  const body = 'a: 1\n'.repeat(2_000_000);
  within(1000, () => {
    assert.equal(parse(HEAD + body).problems.map(({ code, severity, line, column }) => [code, severity, line, column]), [['FileTooLarge', 'error', 1, 1]]);
    // A big file of somebody else's is told of, but freezes nothing.
    assert.equal(parse(body).problems.map(({ code, severity }) => [code, severity]), [['FileTooLarge', 'warning']]);
  });
});

test('nesting of ten thousand levels, however it is written', () => {
  const indented = Array.from({ length: 1200 }, (_, i) => `${' '.repeat(i)}a:\n`).join('');
  for (const deep of [`a: ${'['.repeat(10_000)}`, `a: ${'['.repeat(10_000)}${']'.repeat(10_000)}`, `a:\n${'- '.repeat(10_000)}`, '? '.repeat(10_000), `a: ${'{a: '.repeat(10_000)}`, `x:\n${indented}`]) {
    within(1000, () => assert.equal(codes(HEAD + deep), ['YamlTooDeep']));
  }
  assert.equal(codes(`${HEAD}kind: Node\nmetadata: { name: a }\nspec: { type: docker, description: ${'['.repeat(70)}${']'.repeat(70)} }`), ['YamlTooDeep']);
});

test('duplicate keys, at the second', () => {
  const { problems, manifests } = parse(`${HEAD}kind: Node\nmetadata: { name: a }\nspec:\n  type: docker\n  type: kubernetes\n`);
  assert.equal(problems.map(({ code, line, column, object }) => [code, line, column, object]), [['YamlDuplicateKey', 6, 3, 'Node/a']]);
  assert.is(manifests.length, 0);
  assert.equal(codes(`${HEAD}kind: Node\nmetadata: { name: a }\nspec: { type: vm, labels: { a: b, a: c } }\n`), ['YamlDuplicateKey', 'SchemaViolation'], 'the rest is looked at, too');
});

test('a key that reaches for the prototype', () => {
  assert.equal(codes(`${HEAD}kind: Deployment\nmetadata: { name: a }\nspec: { product: p, node: n, prefix: p, environment: { __proto__: x } }`), ['YamlSyntax']);
  const { manifests } = parse(`${HEAD}kind: Deployment\nmetadata: { name: a }\nspec: { product: p, node: n, prefix: p, images: { constructor: {} } }`);
  assert.equal(Object.keys((manifests[0] as Manifest<'Deployment'>).spec.images ?? {}), ['constructor']);
});

test('bytes that are no UTF-8, UTF-16, NUL, LFS pointers, a byte order mark', () => {
  const file = (...parts: Uint8Array[]): string[] => parseManifestFile('a.yaml', Buffer.concat(parts)).problems.map(({ code }) => code);
  assert.equal(file(bytes(HEAD), Uint8Array.of(0xff, 0xfe, 0x41)), ['NotUtf8']);
  assert.equal(file(Uint8Array.of(0xff, 0xfe), Buffer.from(HEAD, 'utf16le')), ['NotUtf8']);
  assert.equal(file(bytes(`${HEAD}a: \0\n`)), ['YamlSyntax']);
  assert.equal(file(bytes('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n')), ['LfsPointer']);
  const marked = parseManifestFile('a.yaml', Buffer.concat([Uint8Array.of(0xef, 0xbb, 0xbf), bytes(`${HEAD}kind: Node\nmetadata: { name: a }\nspec: { type: docker }\n`)]));
  assert.equal([marked.manifests.length, marked.problems.length], [1, 0]);
});

test('floods: documents, keys, list items, syntax errors, faults', () => {
  within(2000, () => assert.equal(codes(HEAD + '---\n'.repeat(200_000)), ['YamlTooManyDocuments']));
  within(3000, () => assert.ok(codes(`${HEAD}kind: Node\na:\n${Array.from({ length: 30_000 }, (_, i) => `  k${i}: 1\n`).join('')}`).includes('SchemaViolation')));
  within(3000, () => assert.equal(codes(`${HEAD}kind: Node\na: [${'a,'.repeat(400_000)}]`), ['FileTooLarge']));
  within(3000, () => assert.ok(parse(`${HEAD}kind: Version\nmetadata: { name: a }\nspec:\n  images:\n${'    - {}\n'.repeat(9000)}`).problems.length <= 101));
  within(3000, () => assert.ok(codes(`${HEAD}a: [${','.repeat(900_000)}`).length > 0));
  within(3000, () => assert.ok(codes(HEAD + '}'.repeat(900_000)).length > 0));
});

test('no bytes make it throw, and the answer is a function of the bytes', () => {
  const fragment = fc.constantFrom('apiVersion: tagboat/v1\n', 'kind: Node\n', 'metadata: { name: a }\n', 'spec:', ' ', '  ', '\n', '- ', '[', ']', '{', '}', ': ', '? ', '"', "'", '|\n', '#', '&a', '*a', '!t', '---\n', '...\n', '%YAML 1.1\n', '\t', 'x', '1', ',', '<<: ');
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 40 }), (parts) => {
      const text = HEAD + parts.join('');
      const first = parse(text);
      for (const found of first.problems) assert.ok(found.line >= 1 && found.column >= 1 && found.hint !== '');
      assert.equal(parse(text).problems, first.problems);
    }),
    { numRuns: 500 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => void parseManifestFile('a.yaml', Buffer.concat([bytes(HEAD), noise]))));
});

test.run();

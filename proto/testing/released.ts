/**
 * What earlier releases spoke, kept in `proto/released/<version>` as it was shipped: the protocol, and the schemas of the specification
 * that travels in it. From these an agent "of that release" is put together for tests: today's code that reads and writes with
 * yesterday's tables. At a release its files are copied there; the two newest are kept.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import standalone from 'ajv/dist/standalone/index.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const program = (name: string): string => join(root, 'node_modules', '.bin', name);

/** Newest last. */
export const RELEASES: readonly string[] = readdirSync(join(root, 'proto', 'released')).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

/** The descriptor set (google.protobuf.FileDescriptorSet, binary) of a release, or of `present`: today's. */
export function descriptors(release: string, into: string): Buffer {
  const [path, file] = release === 'present' ? [join(root, 'proto'), 'agent/v1/agent.proto'] : [join(root, 'proto', 'released', release), 'agent.proto'];
  const output = join(into, `${release}.binpb`);
  execFileSync(program('protoc'), [`--descriptor_set_out=${output}`, `--proto_path=${path}`, file], { timeout: 60_000 });
  return readFileSync(output);
}

/** A schema of a release, parsed. */
function releasedSchema(release: string, stem: 'target-spec' | 'container-config'): object {
  return JSON.parse(readFileSync(join(root, 'proto', 'released', release, `${stem}.schema.json`), 'utf8')) as object;
}

/**
 * Writes `agent.ts` (the wire) and `validators.ts` of a release into a folder below node_modules, where their imports are found, and
 * returns the environment in which `use-released.ts` puts them in the place of today's.
 */
export function releasedAgent(release: string): Readonly<Record<string, string>> {
  const folder = join(root, 'node_modules', '.cache', 'tagboat-released', release);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const options = 'outputServices=grpc-js,oneof=unions-value,forceLong=bigint,importSuffix=.ts,esModuleInterop=true,useExactTypes=false,outputJsonMethods=false';
  execFileSync(
    program('protoc'),
    [`--plugin=protoc-gen-ts_proto=${program('protoc-gen-ts_proto')}`, `--ts_proto_out=${folder}`, `--ts_proto_opt=${options}`, `--proto_path=${join(root, 'proto', 'released', release)}`, 'agent.proto'],
    { timeout: 60_000 },
  );
  const ajv = new Ajv2020({
    schemas: [releasedSchema(release, 'container-config'), releasedSchema(release, 'target-spec')],
    allErrors: true,
    strictTypes: false,
    strictRequired: false,
    code: { source: true, esm: true },
  });
  const id = (releasedSchema(release, 'target-spec') as { $id: string }).$id;
  const code = (standalone as unknown as { default: (ajv: unknown, refs: object) => string }).default(ajv, { validateTargetSpec: id });
  writeFileSync(join(folder, 'validators.ts'), `// @ts-nocheck\nconsole.error('speaking as release ${release}');\n${code}`);
  return { TAGBOAT_TEST_RELEASED: folder };
}

/**
 * Generates `proto/gen` from `proto/agent` with protoc and ts-proto, both from npm packages, offline.
 * `--check` compares instead of writing and exits 1 on a difference, for CI.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, mkdirSync, rmSync, cpSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const committed = join(root, 'proto', 'gen');
const OPTIONS = [
  'outputServices=grpc-js',
  'oneof=unions-value',
  'forceLong=bigint',
  'importSuffix=.ts',
  'esModuleInterop=true',
  'useExactTypes=false',
  'outputJsonMethods=false',
].join(',');

function generate(into: string): void {
  mkdirSync(into, { recursive: true });
  execFileSync(
    join(root, 'node_modules', '.bin', 'protoc'),
    [
      `--plugin=protoc-gen-ts_proto=${join(root, 'node_modules', '.bin', 'protoc-gen-ts_proto')}`,
      `--ts_proto_out=${into}`,
      `--ts_proto_opt=${OPTIONS}`,
      `--proto_path=${join(root, 'proto')}`,
      'agent/v1/agent.proto',
    ],
    { stdio: 'inherit', timeout: 60_000 },
  );
}

function listFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort();
}

const temporary = mkdtempSync(join(tmpdir(), 'tagboat-proto-'));
try {
  generate(temporary);
  if (process.argv.includes('--check')) {
    const names = listFiles(temporary);
    const same =
      JSON.stringify(names) === JSON.stringify(listFiles(committed)) &&
      names.every((name) => readFileSync(join(temporary, name), 'utf8') === readFileSync(join(committed, name), 'utf8'));
    if (!same) {
      console.error('proto/gen is not what proto/agent generates; run `npm run generate` and commit.');
      process.exitCode = 1;
    }
  } else {
    rmSync(committed, { recursive: true, force: true });
    cpSync(temporary, committed, { recursive: true });
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

/** Fields are only ever added and numbers are never used again (agent.proto): checked against what earlier releases shipped. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import type { DescriptorProto, EnumDescriptorProto } from '@bufbuild/protobuf/wkt';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { descriptors, RELEASES } from './testing/released.ts';

const test = suite('compatibility of the protocol');
const into = mkdtempSync(join(tmpdir(), 'tagboat-descriptors-'));
test.after(() => rmSync(into, { recursive: true, force: true }));

/** Every part of the contract as one line each: what must not change, by name and number. */
function contract(binary: Uint8Array): string[] {
  const file = fromBinary(FileDescriptorSetSchema, binary).file[0]!;
  const messages = (prefix: string, list: readonly DescriptorProto[]): string[] =>
    list.flatMap((message) => [
      ...message.field.map((field) => `${prefix}${message.name}.${field.name} = ${field.number}: ${field.label} ${field.type} ${field.typeName}${field.oneofIndex !== undefined && !field.proto3Optional ? ' in oneof' : ''}`),
      ...messages(`${prefix}${message.name}.`, message.nestedType),
      ...enums(`${prefix}${message.name}.`, message.enumType),
    ]);
  const enums = (prefix: string, list: readonly EnumDescriptorProto[]): string[] => list.flatMap((item) => item.value.map((value) => `${prefix}${item.name}.${value.name} = ${value.number}`));
  const services = file.service.flatMap((service) =>
    service.method.map((method) => `${service.name}.${method.name}(${method.clientStreaming ? 'stream ' : ''}${method.inputType}) returns (${method.serverStreaming ? 'stream ' : ''}${method.outputType})`),
  );
  return [`package ${file.package}`, ...messages('', file.messageType), ...enums('', file.enumType), ...services].sort();
}

for (const release of RELEASES) {
  test(`all that release ${release} knows is there, under the same number`, () => {
    const present = new Set(contract(descriptors('present', into)));
    assert.equal(contract(descriptors(release, into)).filter((line) => !present.has(line)), []);
  });
}

test('there is a release to compare with', () => assert.ok(RELEASES.length > 0));

test.run();

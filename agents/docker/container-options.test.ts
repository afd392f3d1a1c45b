import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ContainerConfig } from '../../schemas/gen/types.ts';
import { containerOptions } from './container-options.ts';
import { quantity } from '../../proto/quantity.ts';

function optionsOf(config: ContainerConfig): ReturnType<typeof containerOptions> {
  return containerOptions({ name: 'shop-web', image: 'web@sha256:1', config, labels: { own: '1' }, networks: [{ name: 'shop', aliases: ['web'] }], volumeNames: { data: 'shop-data' }, secrets: { environment: {}, files: [] } });
}

/** Field of the configuration → what the engine is told, as paths into the options. */
const ROWS: readonly (readonly [config: ContainerConfig, expected: Readonly<Record<string, unknown>>])[] = [
  [{}, { name: 'shop-web', Image: 'web@sha256:1', Labels: { own: '1' }, StopTimeout: 10, Env: undefined, Entrypoint: undefined, Cmd: undefined, 'Healthcheck.Test': ['NONE'] }],
  [{}, { 'HostConfig.RestartPolicy': { Name: 'unless-stopped' }, 'HostConfig.NetworkMode': 'shop', 'NetworkingConfig.EndpointsConfig': { shop: { Aliases: ['web'] } } }],
  [{ environment: { A: '1', B: 'x=y' } }, { Env: ['A=1', 'B=x=y'] }],
  [{ command: ['/server'] }, { Entrypoint: ['/server'], Cmd: [] }],
  [{ args: ['--port', '1'] }, { Entrypoint: undefined, Cmd: ['--port', '1'] }],
  [{ command: ['/server'], args: ['-v'] }, { Entrypoint: ['/server'], Cmd: ['-v'] }],
  [{ user: '1000:1000' }, { User: '1000:1000' }],
  [{ workingDirectory: '/app' }, { WorkingDir: '/app' }],
  [{ tty: true }, { Tty: true }],
  [{ ports: [{ internal: 80 }] }, { ExposedPorts: { '80/tcp': {} }, 'HostConfig.PortBindings': {} }],
  [{ ports: [{ internal: 80, external: 8080 }] }, { 'HostConfig.PortBindings': { '80/tcp': [{ HostPort: '8080' }] } }],
  [{ ports: [{ internal: 80, external: 1 }, { internal: 80, external: 2 }] }, { 'HostConfig.PortBindings': { '80/tcp': [{ HostPort: '1' }, { HostPort: '2' }] } }],
  [{ ports: [{ internal: 53, external: 53, protocol: 'udp' }] }, { 'HostConfig.PortBindings': { '53/udp': [{ HostPort: '53' }] } }],
  [{ portRanges: [{ internal: { from: 1, to: 2 }, external: { from: 11, to: 12 } }] }, { 'HostConfig.PortBindings': { '1/tcp': [{ HostPort: '11' }], '2/tcp': [{ HostPort: '12' }] } }],
  [{ volumes: [{ name: 'data', path: '/d' }] }, { 'HostConfig.Mounts': [{ Type: 'volume', Source: 'shop-data', Target: '/d', ReadOnly: false }] }],
  [{ volumes: [{ type: 'bind', source: '/srv', path: '/d', readOnly: true }] }, { 'HostConfig.Mounts': [{ Type: 'bind', Source: '/srv', Target: '/d', ReadOnly: true }] }],
  [{ volumes: [{ type: 'tmpfs', path: '/t', size: '64Mi' }] }, { 'HostConfig.Mounts': [{ Type: 'tmpfs', Source: '', Target: '/t', ReadOnly: false, TmpfsOptions: { SizeBytes: 67108864, Mode: 0o1777 } }] }],
  [{ volumes: [{ type: 'memory', path: '/m' }] }, { 'HostConfig.Mounts': [{ Type: 'tmpfs', Source: '', Target: '/m', ReadOnly: false }] }],
  [{ capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] } }, { 'HostConfig.CapAdd': ['NET_ADMIN'], 'HostConfig.CapDrop': ['ALL'] }],
  [{ resources: { limits: { cpu: '500m', memory: '256Mi' } } }, { 'HostConfig.NanoCpus': 500_000_000, 'HostConfig.Memory': 268435456 }],
  [{ resources: { requests: { cpu: '100m', memory: '1G' } } }, { 'HostConfig.CpuShares': 102, 'HostConfig.MemoryReservation': 1e9 }],
  [{ restartPolicy: 'on-failure' }, { 'HostConfig.RestartPolicy': { Name: 'on-failure' } }],
  [{ expectedState: { state: 'exited' } }, { 'HostConfig.RestartPolicy': { Name: 'no' } }],
  [{ expectedState: { state: 'waiting' } }, { 'HostConfig.RestartPolicy': { Name: 'no' } }],
  [{ logConfig: { driver: 'json-file', options: { 'max-size': '1m' } } }, { 'HostConfig.LogConfig': { Type: 'json-file', Config: { 'max-size': '1m' } } }],
  [{ stopGrace: '1500ms' }, { StopTimeout: 2 }],
  [{ ports: [{ internal: 80, external: 8080, address: '127.0.0.1' }] }, { 'HostConfig.PortBindings': { '80/tcp': [{ HostPort: '8080', HostIp: '127.0.0.1' }] } }],
  [{ restartPolicy: 'on-failure', docker: { maxRestarts: 3 } }, { 'HostConfig.RestartPolicy': { Name: 'on-failure', MaximumRetryCount: 3 } }],
  [{ docker: { hostname: 'a', stdin: true, stopSignal: 'SIGINT' } }, { Hostname: 'a', OpenStdin: true, StopSignal: 'SIGINT' }],
  [{ docker: { extraHosts: { a: '10.0.0.1', b: '::1' } } }, { 'HostConfig.ExtraHosts': ['a:10.0.0.1', 'b:::1'] }],
  [{ docker: { devices: [{ source: '/dev/a' }] } }, { 'HostConfig.Devices': [{ PathOnHost: '/dev/a', PathInContainer: '/dev/a', CgroupPermissions: 'rwm' }] }],
  [{ docker: { gpus: [{}] } }, { 'HostConfig.DeviceRequests': [{ Driver: '', Count: -1, Capabilities: [['gpu']] }] }],
  [{ docker: { gpus: [{ driver: 'nvidia', ids: ['0'], capabilities: ['gpu', 'video'] }, { count: 2 }] } }, { 'HostConfig.DeviceRequests': [{ Driver: 'nvidia', DeviceIDs: ['0'], Capabilities: [['gpu', 'video']] }, { Driver: '', Count: 2, Capabilities: [['gpu']] }] }],
];

for (const [config, expected] of ROWS) {
  test(JSON.stringify(config), () => {
    const options = optionsOf(config);
    for (const [path, value] of Object.entries(expected)) {
      const found = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], options);
      assert.equal(found, value, path);
    }
  });
}

test('a network mode of its own leaves the networks out', () => {
  for (const networkMode of ['host', 'none'] as const) {
    const options = containerOptions({ name: 'a', image: 'a', config: { networkMode }, labels: {}, networks: [], volumeNames: {}, secrets: { environment: {}, files: [] } });
    assert.is(options.HostConfig?.NetworkMode, networkMode);
    assert.is(options.NetworkingConfig, undefined);
  }
});

test('quantities', () => {
  const rows = { '500m': 0.5, '2': 2, '1.5': 1.5, '1k': 1000, '256Mi': 268435456, '10Gi': 10737418240, '1E': 1e18 };
  for (const [text, value] of Object.entries(rows)) assert.is(quantity(text), value);
  for (const text of ['', '-1', '1 Gi', '1KB', 'Mi']) assert.throws(() => quantity(text), /not a quantity/);
});

test.run();

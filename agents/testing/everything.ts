/** A configuration with every field that a Docker host honours, for tests that look at each of them. */
import type { ContainerConfig } from '../../schemas/gen/types.ts';

export function everything(port: number, network: string): ContainerConfig {
  return {
    environment: { REGION: 'eu', EMPTY: '', EQUALS: 'a=b' },
    command: ['sh'],
    args: ['-c', 'echo ready; exec sleep 600'],
    user: '1000:1000',
    workingDirectory: '/tmp',
    tty: true,
    ports: [
      { internal: 8080, external: port },
      { internal: 53, external: port, protocol: 'udp' },
      { internal: 9000 },
    ],
    portRanges: [{ internal: { from: 7000, to: 7002 }, external: { from: port + 1, to: port + 3 } }],
    volumes: [
      { name: 'data', path: '/data' },
      { path: '/host', type: 'bind', source: '/tmp', readOnly: true },
      { path: '/scratch', type: 'tmpfs', size: '1Mi' },
      { path: '/fast', type: 'memory' },
    ],
    capabilities: { add: ['NET_ADMIN', 'SYS_TIME'], drop: ['MKNOD'] },
    resources: { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '100m', memory: '32Mi' } },
    healthCheck: { command: ['true'], interval: '1s' },
    restartPolicy: 'always',
    networkMode: 'bridge',
    networks: [network],
    labels: { tier: 'web', 'tagboat.dev/team': 'forged' },
    logConfig: { driver: 'json-file', options: { 'max-size': '1m' } },
    expectedState: { state: 'running' },
    stopGrace: '1s',
    strategy: 'recreate',
    docker: {
      hostname: 'broker',
      aliases: ['second-name'],
      extraHosts: { elsewhere: '10.9.8.7', node: 'host-gateway' },
      dns: { servers: ['127.0.0.1'], search: ['shop.example'], options: ['ndots:3'] },
      files: { '/etc/shop.conf': { content: 'listen 8080;\n' } },
      init: true,
      stdin: true,
      stopSignal: 'SIGINT',
      groups: ['998', '997'],
      devices: [{ source: '/dev/kmsg', path: '/dev/nothing', permissions: 'r' }],
      ulimits: { nofile: { soft: 500, hard: 600 }, core: { soft: 0, hard: 0 } },
      sysctls: { 'net.core.somaxconn': '77' },
      shmSize: '2Mi',
      pidsLimit: 77,
      securityOptions: ['no-new-privileges:true'],
      ipcMode: 'private',
    },
  };
}

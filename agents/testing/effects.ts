/**
 * Fields of the configuration and what each does on a Docker host: the containers that effects.test.ts starts, and what it
 * asks of them. every-field.test.ts holds this table against the schema, so that no field is forgotten.
 */
import type { ContainerConfig } from '../../schemas/gen/types.ts';

export interface Sample {
  readonly image: string;
  readonly config: ContainerConfig;
}

export interface EffectWorld {
  /** Four ports of the node in a row. */
  readonly port: number;
  /** A network beside the target's own. */
  readonly network: string;
  /** A directory of the node with a file `word`. */
  readonly directory: string;
}

const BUSYBOX = 'busybox:1.36';
const SLEEP = ['sleep', '600'];
const DATA = [{ name: 'data', path: '/data' }];

/** For a shell, in the background: whoever sends a datagram to the port of the container gets it back, after the port's number. */
function listens(port: number): string {
  return `socat UDP4-RECVFROM:${port},fork SYSTEM:'echo ${port} heard $(cat)' &`;
}

/** Containers that run side by side, by image name. */
export function samples({ port, network, directory }: EffectWorld): Readonly<Record<string, Sample>> {
  const using = (image: string, config: ContainerConfig): Sample => ({ image, config: { command: SLEEP, stopGrace: '0s', healthCheck: { settle: '0s' }, ...config } });
  const sleeper = (config: ContainerConfig): Sample => using(BUSYBOX, config);
  return {
    plain: sleeper({ labels: { tier: 'web' }, stopGrace: '7s' }),
    renamed: sleeper({ name: 'other', networks: [network], docker: { aliases: ['second-name'] } }),
    process: sleeper({
      command: ['sh', '-c'],
      args: ['exec sleep "$SECONDS_TO_SLEEP"'],
      environment: { SECONDS_TO_SLEEP: '601', EMPTY: '', EQUALS: 'a=b' },
      user: '1000:1000',
      workingDirectory: '/tmp',
      tty: true,
      docker: { hostname: 'broker', groups: ['998'] },
    }),
    ports: using('tagboat-test-datagrams:1', {
      command: ['sh', '-c', `${[53, 60].map(listens).join(' ')} exec httpd -f -p 8080 -h /www`],
      ports: [{ internal: 8080, external: port, address: '127.0.0.1' }, { internal: 53, external: port, protocol: 'udp' }],
      portRanges: [{ internal: { from: 8079, to: 8080 }, external: { from: port + 1, to: port + 2 } }, { internal: { from: 60, to: 60 }, external: { from: port + 3, to: port + 3 }, protocol: 'udp' }],
    }),
    storage: sleeper({
      volumes: [
        { name: 'kept', path: '/kept' },
        { path: '/host', type: 'bind', source: directory, readOnly: true },
        { path: '/scratch', type: 'tmpfs', size: '1Mi' },
        { path: '/fast', type: 'memory' },
      ],
      docker: { readOnly: true, shmSize: '2Mi' },
    }),
    files: sleeper({ docker: { files: { '/etc/shop/shop.conf': { content: 'listen 8080;\n# ü\n' }, '/run-me': { content: '#!/bin/sh\necho ran\n', mode: '0755' } } } }),
    few: sleeper({ capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] }, docker: { securityOptions: ['no-new-privileges:true'], pidsLimit: 77 } }),
    many: sleeper({ docker: { pidMode: 'host', ipcMode: 'host' } }),
    kernel: sleeper({
      resources: { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '100m', memory: '32Mi' } },
      docker: { init: true, ulimits: { nofile: { soft: 500, hard: 600 } }, sysctls: { 'net.core.somaxconn': '77' }, devices: [{ source: '/dev/kmsg', path: '/dev/nothing', permissions: 'r' }] },
    }),
    names: sleeper({ docker: { extraHosts: { elsewhere: '10.9.8.7', node: 'host-gateway' }, dns: { servers: ['127.0.0.1'], search: ['shop.example'], options: ['ndots:3'] } } }),
    alone: sleeper({ networkMode: 'none' }),
    node: sleeper({ networkMode: 'host' }),
    logs: sleeper({ command: ['sh', '-c', 'echo written; exec sleep 600'], environment: { REGION: 'eu' }, logConfig: { driver: 'json-file', options: { env: 'REGION' } } }),
    input: sleeper({ command: ['cat'], docker: { stdin: true }, healthCheck: { settle: '1s' } }),
    restarts: sleeper({
      command: ['sh', '-c', 'test -e /tmp/first && exit 1; touch /tmp/first; trap "exit 1" TERM; while true; do sleep 0.1; done'],
      restartPolicy: 'on-failure',
      docker: { maxRestarts: 2 },
    }),
    signal: sleeper({ command: ['sh', '-c', 'trap "exit 7" INT; while true; do sleep 0.1; done'], stopGrace: '20s', docker: { stopSignal: 'SIGINT' } }),
    absent: sleeper({ replicas: 0 }),
    filled: sleeper({
      environment: { PARENT: 'mine' },
      volumes: DATA,
      configContainer: { image: 'nginx:1.27', volume: 'data', path: '/www' },
      importContainer: { image: BUSYBOX, volume: 'data', command: ['sh', '-c', 'echo $FROM > /data/imported'], environment: { FROM: 'afar' } },
      initContainers: [
        { name: 'first', image: BUSYBOX, command: ['sh'], args: ['-c', 'echo "$PARENT $OWN" > /there/init'], environment: { OWN: 'own' }, useParentConfig: true, volumes: [{ name: 'data', path: '/there' }] },
        { name: 'second', image: BUSYBOX, command: ['sh', '-c', 'echo "[$PARENT]" >> /there/init; cat /there/imported >> /there/init'], volumes: [{ name: 'data', path: '/there' }] },
      ],
    }),
    job: { image: BUSYBOX, config: { command: ['sh', '-c', 'exit 4'], expectedState: { state: 'exited', exitCode: 4, timeout: '30s' } } },
  };
}

export interface Inside {
  readonly fields: readonly string[];
  readonly container: string;
  /** Run by `sh -c`; its output is trimmed. */
  readonly run: string;
  readonly gives: string | RegExp;
}

/** What a process in the container sees. */
export const INSIDE: readonly Inside[] = [
  { fields: ['environment'], container: 'process', run: 'echo "$SECONDS_TO_SLEEP $EQUALS ${EMPTY-unset}"', gives: '601 a=b' },
  { fields: ['command', 'args'], container: 'process', run: 'tr "\\000" " " < /proc/1/cmdline', gives: 'sleep 601' },
  { fields: ['user'], container: 'process', run: 'echo $(busybox id -u):$(busybox id -g)', gives: '1000:1000' },
  { fields: ['docker.groups'], container: 'process', run: 'busybox id -G', gives: '1000 998' },
  { fields: ['workingDirectory'], container: 'process', run: 'pwd', gives: '/tmp' },
  { fields: ['tty'], container: 'process', run: 'busybox readlink /proc/1/fd/1', gives: /^\/dev\/(pts|console)/ },
  { fields: ['docker.hostname'], container: 'process', run: 'hostname', gives: 'broker' },
  { fields: ['volumes[].name', 'volumes[].path', 'volumes[].type'], container: 'storage', run: 'echo stays > /kept/word && cat /kept/word', gives: 'stays' },
  { fields: ['volumes[].source'], container: 'storage', run: 'cat /host/word', gives: 'of the node' },
  { fields: ['volumes[].readOnly'], container: 'storage', run: 'touch /host/new 2>/dev/null || echo refused', gives: 'refused' },
  { fields: ['volumes[].size'], container: 'storage', run: "df /scratch | tail -n 1 | busybox awk '{ print $2 }'", gives: '1024' },
  { fields: ['volumes[].type'], container: 'storage', run: 'grep -c "^tmpfs /fast tmpfs" /proc/mounts', gives: '1' },
  { fields: ['docker.readOnly'], container: 'storage', run: 'touch /new 2>/dev/null || echo refused', gives: 'refused' },
  { fields: ['docker.shmSize'], container: 'storage', run: "df /dev/shm | tail -n 1 | busybox awk '{ print $2 }'", gives: '2048' },
  { fields: ['docker.files{}.content'], container: 'files', run: 'cat /etc/shop/shop.conf', gives: 'listen 8080;\n# ü' },
  { fields: ['docker.files{}.mode'], container: 'files', run: '/run-me; busybox stat -c %a /etc/shop/shop.conf', gives: 'ran\n644' },
  { fields: ['capabilities.add', 'capabilities.drop'], container: 'few', run: 'grep CapEff /proc/1/status', gives: /0000000000001000$/ },
  { fields: ['docker.securityOptions'], container: 'few', run: 'grep NoNewPrivs /proc/1/status', gives: /1$/ },
  { fields: ['docker.pidsLimit'], container: 'few', run: 'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max', gives: '77' },
  { fields: ['docker.pidMode'], container: 'many', run: 'tr "\\000" " " < /proc/1/cmdline | grep -c "^sleep 600" || true', gives: '0' },
  { fields: ['resources.limits.memory'], container: 'kernel', run: 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max', gives: '67108864' },
  { fields: ['resources.requests.memory'], container: 'kernel', run: 'cat /sys/fs/cgroup/memory/memory.soft_limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.low', gives: '33554432' },
  { fields: ['resources.limits.cpu'], container: 'kernel', run: 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max', gives: /^50000( 100000)?$/ },
  { fields: ['resources.requests.cpu'], container: 'kernel', run: 'cat /sys/fs/cgroup/cpu/cpu.shares 2>/dev/null || cat /sys/fs/cgroup/cpu.weight', gives: /^(102|4|5|17)$/ },
  { fields: ['docker.init'], container: 'kernel', run: 'cat /proc/1/comm', gives: 'docker-init' },
  { fields: ['docker.ulimits{}.soft', 'docker.ulimits{}.hard'], container: 'kernel', run: 'grep "open files" /proc/1/limits', gives: /open files +500 +600/ },
  { fields: ['docker.sysctls'], container: 'kernel', run: 'cat /proc/sys/net/core/somaxconn', gives: '77' },
  { fields: ['docker.devices[].source', 'docker.devices[].path'], container: 'kernel', run: 'busybox stat -c %t:%T /dev/nothing', gives: '1:b' },
  { fields: ['docker.devices[].permissions'], container: 'kernel', run: '(: > /dev/nothing) 2>&1 | grep -c "not permitted"', gives: '1' },
  { fields: ['docker.extraHosts'], container: 'names', run: "busybox awk '$2 == \"elsewhere\" { print $1 } $2 == \"node\" { print \"gateway\" }' /etc/hosts", gives: '10.9.8.7\ngateway' },
  { fields: ['docker.dns.search', 'docker.dns.options'], container: 'names', run: 'grep -E "^(search|options)" /etc/resolv.conf', gives: /^search shop\.example\noptions .*ndots:3/ },
  { fields: ['networkMode'], container: 'alone', run: 'ls /sys/class/net', gives: 'lo' },
  { fields: ['networkMode'], container: 'node', run: 'test -e /sys/class/net/docker0 && echo node', gives: 'node' },
  { fields: ['networks'], container: 'renamed', run: 'ls -d /sys/class/net/eth* | busybox wc -l', gives: '2' },
  { fields: ['docker.aliases'], container: 'plain', run: 'busybox nslookup second-name 127.0.0.11 | grep -c "^Address: 1"', gives: '1' },
  { fields: ['configContainer.image', 'configContainer.path', 'configContainer.volume'], container: 'filled', run: 'cat /data/index.html', gives: 'It works.' },
  { fields: ['importContainer.image', 'importContainer.command', 'importContainer.environment', 'importContainer.volume'], container: 'filled', run: 'cat /data/imported', gives: 'afar' },
  {
    fields: ['name', 'image', 'command', 'args', 'environment', 'useParentConfig', 'volumes[].name', 'volumes[].path'].map((field) => `initContainers[].${field}`),
    container: 'filled',
    run: 'cat /data/init',
    gives: 'mine own\n[]\nafar',
  },
];

/** Fields whose effect effects.test.ts sees from outside, each in a test that names it. */
export const OUTSIDE: readonly string[] = [
  'name', 'replicas', 'labels', 'stopGrace', 'strategy', 'restartPolicy', 'docker.maxRestarts', 'docker.stopSignal', 'docker.stdin', 'docker.ipcMode', 'docker.privileged', 'docker.dns.servers',
  'docker.gpus[].driver', 'docker.gpus[].count', 'docker.gpus[].ids', 'docker.gpus[].capabilities',
  'logConfig.driver', 'logConfig.options', 'ports[].internal', 'ports[].external', 'ports[].protocol', 'ports[].address',
  'portRanges[].internal.from', 'portRanges[].internal.to', 'portRanges[].external.from', 'portRanges[].external.to', 'portRanges[].protocol',
  'expectedState.state', 'expectedState.exitCode', 'expectedState.timeout', 'configContainer.keepFiles',
  'healthCheck.command', 'healthCheck.http.path', 'healthCheck.http.port', 'healthCheck.tcp.port', 'healthCheck.interval', 'healthCheck.timeout', 'healthCheck.retries', 'healthCheck.startPeriod', 'healthCheck.settle',
];

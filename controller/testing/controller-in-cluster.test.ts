// @timeout 1500
// @serial
/**
 * The controller as `tagboat controller manifests` prints it, in the test cluster: two replicas on a PostgreSQL outside become ready, and an agent enrols
 * through the Service. What that cluster lacks is replaced: names of Services (an address), a load balancer (the Service's own address).
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { processIo, type CliIo } from '../cli/client.ts';
import { registerController } from '../cli/controller.ts';
import { packageRoot } from '../package-root.ts';
import { clusterOrSkip } from './cluster.ts';
import type { ClusterPod, TestCluster } from './cluster.ts';
import { testDatabase } from './database.ts';
import { GitServer } from './git-server.ts';
import { TestRepository } from './git-repository.ts';
import { buildImage } from './image.ts';
import { sleepUntil } from './sleep-until.ts';
import { dockerOrSkip, NODE } from './story.ts';

const NAMESPACE = 'tagboat-controller';
const TOKEN = 'tgo_an-operator-of-this-test';

interface Manifest {
  apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** What the command prints, with these words. */
async function printed(...args: readonly string[]): Promise<string> {
  let out = '';
  const io: CliIo = { ...processIo, out: (text) => void (out += text) };
  const program = new Command();
  registerController(program, io);
  await program.parseAsync(['controller', 'manifests', ...args], { from: 'user' });
  return out;
}

/** A way from the pods to what listens on the loopback. */
async function outward(address: string, target: { readonly port: number } | { readonly path: string }): Promise<{ port: number; close(): void }> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const line = connect(target);
    for (const socket of [client, line]) open.add(socket.on('close', () => open.delete(socket)));
    for (const [from, to] of [[client, line], [line, client]] as const) from.on('error', () => to.destroy()).on('close', () => to.destroy());
    client.pipe(line).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Addresses of Services exist in firewall rules alone; a machine without a way out has no route to them, so those rules are never asked. Answers how to undo it. */
function reachable(address: string): () => void {
  const ip = (...args: readonly string[]): void => void execFileSync('ip', ['route', ...args], { stdio: 'ignore' });
  try {
    ip('get', address);
    return () => undefined;
  } catch {
    ip('add', `${address}/32`, 'dev', 'docker0');
    return () => ip('del', `${address}/32`, 'dev', 'docker0');
  }
}

function check(cluster: TestCluster): void {
  const test = suite('the controller in a cluster');
  const home = mkdtempSync(join(tmpdir(), 'tagboat-in-cluster-'));

  test('two replicas become ready, and an agent enrols through the Service', async () => {
    await cluster.gone(NAMESPACE);
    const bridge = /inet ([\d.]+)/.exec(execFileSync('ip', ['-4', 'address', 'show', 'docker0'], { encoding: 'utf8' }))?.[1];
    assert.ok(bridge, 'the address at which pods reach this machine');
    const repository = await TestRepository.create('acme');
    await repository.commit({ 'nodes/harbor.yaml': NODE }, 'first');
    const server = await GitServer.start({ root: join(repository.directory, '..') });
    const db = await testDatabase({ empty: true });
    const place = new URL(db.url);
    const socket = decodeURIComponent(place.hostname);
    const toDatabase = await outward(bridge, socket.startsWith('/') ? { path: join(socket, `.s.PGSQL.${place.port}`) } : { port: Number(place.port || 5432) });
    const toGit = await outward(bridge, { port: Number(new URL(server.url).port) });
    let agent: ReturnType<typeof spawn> | undefined;
    const undo: (() => void)[] = [];
    const logs = (): Promise<string> => cluster.kubectl(['logs', '--namespace', NAMESPACE, '--selector', 'app.kubernetes.io/name=tagboat', '--tail', '15']).catch(String);
    try {
      const inside = new URL(db.url);
      inside.host = `${bridge}:${toDatabase.port}`;
      await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
      await cluster.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tagboat', namespace: NAMESPACE }, stringData: { 'database-url': inside.href, 'encryption-key': randomBytes(32).toString('base64'), 'operator-token': TOKEN } });

      // Services first: their addresses stand in for names and a load balancer.
      const draft = parseAllDocuments(await printed('--namespace', NAMESPACE)).map((one) => one.toJS() as Manifest);
      await cluster.apply(...draft.filter(({ kind }) => kind === 'Service'));
      const addressOf = async (name: string): Promise<string> => (await cluster.kubectl(['get', 'service', '--namespace', NAMESPACE, name, '--output', 'jsonpath={.spec.clusterIP}'])).trim();
      const [http, agents] = [await addressOf('tagboat'), await addressOf('tagboat-agents')];
      undo.push(reachable(http), reachable(agents));
      const config = join(home, 'tagboat.yaml');
      writeFileSync(config, `publicUrl: http://${http}\nagentAddress: ${agents}:8443\nenrolAddress: ${agents}:8444\nteams: [ { name: acme, repository: "http://${bridge}:${toGit.port}/acme.git", branch: main, poll: "* * * * * *" } ]\n`);
      const objects = parseAllDocuments(await printed('--namespace', NAMESPACE, '--config', config)).map((one) => one.toJS() as Manifest);
      // As this cluster, which is older, spells it.
      for (const object of objects) if (object.kind === 'PodDisruptionBudget') object.apiVersion = 'policy/v1beta1';
      await cluster.apply(...objects);
      await cluster.kubectl(['rollout', 'status', 'deployment/tagboat', '--namespace', NAMESPACE, '--timeout', '300s'], undefined, 310_000).catch(async (error: unknown) => {
        throw new Error(`${String(error)}\n${await logs()}\n${await cluster.kubectl(['describe', 'pods', '--namespace', NAMESPACE]).catch(String)}`);
      });
      const pods = await cluster.list<ClusterPod>('pods', NAMESPACE);
      assert.is(pods.filter(({ status }) => status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')).length, 2);

      const call = async <T>(path: string, method = 'GET'): Promise<T> => {
        const response = await fetch(`http://${http}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}` }, signal: AbortSignal.timeout(60_000) });
        assert.ok(response.ok, `${path}: ${response.status}`);
        return (await response.json()) as T;
      };
      await sleepUntil(async () => (await call<{ name: string }[]>('/api/v1/teams/acme/nodes')).some(({ name }) => name === 'harbor'), { what: 'the node of the repository', timeoutMs: 120_000 });
      const { join: word } = await call<{ join: string }>('/api/v1/teams/acme/nodes/harbor/enrolments', 'POST');
      agent = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), join(packageRoot(), 'controller/cli/tagboat.ts'), 'agent', 'simulated', '--directory', join(home, 'agent'), '--join', word], { cwd: home, stdio: ['ignore', 'ignore', openSync(join(home, 'agent.log'), 'w')] });
      // A line to the replica that goes may still be tried.
      const status = async (): Promise<string | undefined> => (await call<{ name: string; status: string }[]>('/api/v1/teams/acme/nodes').catch(() => undefined))?.[0]?.status;
      await sleepUntil(async () => (await status()) === 'connected', { what: 'the agent behind the Service', timeoutMs: 180_000 }).catch(async (error: unknown) => {
        throw new Error(`${String(error)}\n${await logs()}`);
      });

      // One replica goes; the other serves, and the agent comes back to it. All that it needs is in the database. A kubelet may notice the end of a
      // container only when it looks through all of its pods, once a minute.
      await cluster.kubectl(['delete', 'pod', '--namespace', NAMESPACE, '--wait=false', pods[0]!.metadata.name]);
      await sleepUntil(async () => (await cluster.list<ClusterPod>('pods', NAMESPACE)).every(({ metadata }) => metadata.name !== pods[0]!.metadata.name), { what: 'the end of a replica', timeoutMs: 180_000 });
      await sleepUntil(async () => (await status()) === 'connected', { what: 'the agent at the other replica', timeoutMs: 150_000 }).catch(async (error: unknown) => {
        throw new Error(`${String(error)}\n${await logs()}\n${readFileSync(join(home, 'agent.log'), 'utf8').slice(-4_000)}\n${await cluster.kubectl(['get', 'pods,endpoints', '--namespace', NAMESPACE, '--output', 'wide']).catch(String)}`);
      });
    } finally {
      agent?.kill('SIGKILL');
      for (const step of undo) step();
      await cluster.sweep([NAMESPACE]);
      toDatabase.close();
      toGit.close();
      await server.close();
      await db.drop();
      await repository.remove();
    }
  });

  test('no privilege, no rights in the cluster, nothing secret in the text', async () => {
    const text = await printed('--replicas', '1', '--image', 'registry.example.org/tagboat:9.9.9');
    const objects = parseAllDocuments(text).map((one) => one.toJS() as Manifest & { spec: { template: { spec: Record<string, unknown> & { containers: { image: string; env: { name: string; value?: string }[]; securityContext: object }[] } } } });
    assert.equal(objects.map(({ kind }) => kind), ['Namespace', 'ConfigMap', 'Service', 'Service', 'Deployment'], 'one replica has no budget to break');
    const pod = objects.at(-1)!.spec.template.spec;
    assert.equal([pod['automountServiceAccountToken'], pod['enableServiceLinks']], [false, false]);
    assert.equal(pod.containers[0]!.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
    assert.is(pod.containers[0]!.env.find(({ name }) => name === 'TAGBOAT_AGENT_IMAGE')?.value, 'registry.example.org/tagboat:9.9.9', 'agents get the same image');
    assert.not.match(text, /kind: Secret/);
  });

  test.after(() => rmSync(home, { recursive: true, force: true }));
  test.run();
}

const cluster = (await dockerOrSkip('the controller in a cluster')) === null ? null : await clusterOrSkip('the controller in a cluster');
if (cluster !== null) {
  buildImage();
  check(cluster);
}

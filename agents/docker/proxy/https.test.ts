// @timeout 900
/** TLS through the node's proxy, on a real engine and with certificates of a real ACME authority. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { request as plainRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../testing/ports.ts';
import type { ContainerConfig } from '../../../schemas/gen/types.ts';
import type { AttemptEnd, Engine } from '../../core/engine.ts';
import { acmeServer, canHaveAcmeServer } from '../../testing/acme-server.ts';
import { engineForTests, pulled } from '../../testing/engine.ts';
import { contextOf } from '../../testing/spec.ts';
import { connectDocker } from '../connect.ts';
import { DockerRuntime } from '../docker-runtime.ts';
import { createDockerEngine } from '../engine.ts';
import { CLI_PORT, PROOFS_PATH } from './haproxy-config.ts';

const world = engineForTests('https');
/** Of its own: tests of one engine run beside each other. */
const PROXY_NAME = 'tagboat-proxy-https';
const test = suite('https on a Docker node');
const HOUR = 3_600_000;

if (world !== undefined && !canHaveAcmeServer()) {
  if (process.env['TAGBOAT_REQUIRE_ENGINE'] !== undefined) throw new Error('these tests need root, unshare and caddy, and TAGBOAT_REQUIRE_ENGINE forbids to skip them');
  process.stderr.write('\n!!! SKIPPED: https: no ACME server (Debian package caddy, as root)\n\n');
} else if (world !== undefined) {
  const { docker, host } = world;
  const runtime = new DockerRuntime({ ...connectDocker({ host }), isSelf: () => false });
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const home = mkdtempSync(join(tmpdir(), 'tagboat-https-'));
  const provided = mkdtempSync(join(tmpdir(), 'tagboat-provided-'));
  let clock = 0;
  let attempt = 0;
  const engineWith = (more: { readonly directoryUrl?: string; readonly caFile?: string; readonly httpsPort?: number; readonly home?: string }): Engine =>
    createDockerEngine({
      host,
      proxy: { name: PROXY_NAME, httpPort, httpsPort: more.httpsPort ?? httpsPort },
      certificates: { directory: more.home ?? home, acme: more.directoryUrl === undefined ? undefined : { directoryUrl: more.directoryUrl, contact: 'ada@example.test', caFile: more.caFile }, provided, now: () => Date.now() + clock },
    });
  test.after(async () => {
    await world.cleanUp();
    for (const folder of [home, provided]) rmSync(folder, { recursive: true, force: true });
  });

  /** With what is to become good; none with what never will. */
  const patience = ({ environment }: ContainerConfig): object => (environment?.['HEALTHY'] === '0' ? {} : { startPeriod: '40s' });
  const web = (version: string, config: ContainerConfig): { image: string; config: ContainerConfig } => ({
    image: `tagboat-test-web:${version}`,
    config: { healthCheck: { http: { path: '/healthz', port: 8080 }, interval: '200ms', retries: 3, ...patience(config) }, stopGrace: '1s', ...config },
  });
  const secure = (domain: string, version = '1.0.0', more: ContainerConfig['routing'] = {}): ReturnType<typeof web> => web(version, { expose: 'https', routing: { domain, port: 8080, ...more } });
  const deploy = async (engine: Engine, prefix: string, images: Parameters<typeof world.spec>[1]): Promise<AttemptEnd> => engine.deploy(world.spec(prefix, images), undefined, contextOf(++attempt));
  const good = async (engine: Engine, prefix: string, images: Parameters<typeof world.spec>[1]): Promise<void> => {
    const end = await deploy(engine, prefix, images);
    assert.is(end.outcome, 'succeeded', end.outcome === 'failed' ? `${end.code}: ${end.reason}` : '');
  };
  const remove = async (engine: Engine, prefix: string): Promise<void> => void (await engine.remove({ team: world.team, deployment: prefix, prefix, removeVolumes: false }, contextOf(++attempt)));
  const health = async (engine: Engine, prefix: string): Promise<string> => {
    const found = (await engine.observe(world.team, new Map(), new AbortController().signal)).find((one) => one.prefix === prefix);
    return `${found?.health}${found?.healthReason === '' ? '' : ` ${found?.healthReason}`}`;
  };
  /** Watches, which is when certificates are looked after. */
  const tended = async (engine: Engine, work: () => Promise<void>): Promise<void> => {
    const stop = new AbortController();
    const watching = engine.watch(world.team, () => undefined, stop.signal);
    await work().finally(() => stop.abort());
    await watching;
  };
  const soon = async (condition: () => boolean | Promise<boolean>, what: string): Promise<void> => {
    for (const end = Date.now() + 120_000; !(await condition()); ) {
      if (Date.now() > end) throw new Error(`waited two minutes for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };

  /** The certificate that a name is served with; a text says why there is none. */
  const served = (domain: string, ca?: string, version?: 'TLSv1.1'): Promise<{ readonly fingerprint: string; readonly valid: boolean; readonly protocol: string } | string> =>
    new Promise((resolve) => {
      const socket: TLSSocket = connectTls({ host: '127.0.0.1', port: httpsPort, servername: domain, rejectUnauthorized: false, ...(ca !== undefined && { ca }), ...(version !== undefined && { minVersion: version, maxVersion: version, ciphers: 'ALL@SECLEVEL=0' }) }, () => {
        resolve({ fingerprint: socket.getPeerCertificate().fingerprint256, valid: socket.authorized, protocol: socket.getProtocol() ?? '' });
        socket.destroy();
      });
      socket.setTimeout(60_000, () => socket.destroy(new Error('no answer within a minute')));
      socket.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? error.message));
    });
  const ask = (domain: string, path: string, ca: string, agent?: Agent): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = get({ host: '127.0.0.1', port: httpsPort, servername: domain, headers: { host: domain }, path, ca, agent, timeout: 60_000 }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('end', () => resolve(`${response.statusCode} ${text.trim()}`)).on('error', reject);
      });
      sent.on('error', reject).on('timeout', () => sent.destroy(new Error('no answer within a minute')));
    });
  const plain = (domain: string, path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = plainRequest({ host: '127.0.0.1', port: httpPort, headers: { host: domain }, path, timeout: 60_000 }, (response) => {
        response.resume().on('end', () => resolve(`${response.statusCode} ${response.headers.location ?? ''}`.trim())).on('error', reject);
      });
      sent.on('error', reject).on('timeout', () => sent.destroy(new Error('no answer within a minute')));
      sent.end();
    });
  const curl = (...more: string[]): string => spawnSync('curl', ['-sk', '--max-time', '60', '-o', '/dev/null', '-w', '%{http_version} %{http_code}', ...more], { encoding: 'utf8', input: 'x'.repeat(2_000) }).stdout;
  const selfSigned = (names: readonly string[], days = 30, curve = 'P-256'): string => {
    const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-nodes', '-keyout', '-', '-days', String(days), '-subj', '/CN=test', '-addext', `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`], { encoding: 'utf8' });
    assert.is(made.status, 0, made.stderr);
    return made.stdout;
  };
  /** Which process of the proxy answers, and how many there are or have been: one that was reloaded has a worker beside it or another one in its place. */
  const workers = async (): Promise<string> => {
    const script = `exec 3<>/dev/tcp/127.0.0.1/${CLI_PORT}; printf '@1 show info; show proc\\nquit\\n' >&3; while IFS= read -r line <&3; do printf '%s\\n' "$line"; done`;
    const { output } = await runtime.exec(PROXY_NAME, ['bash', '-c', script], 60_000, AbortSignal.timeout(60_000));
    const pid = /^Pid: (\d+)$/m.exec(output)?.[1];
    const rows = output.match(/^\d+ +worker +.*$/gm)?.map((row) => row.trim().split(/ +/).slice(0, 3).join(' '));
    assert.ok(pid !== undefined && rows !== undefined && rows.length > 0, output);
    return `${pid} answers; ${rows.join(', ')}`;
  };
  const proxyAddress = async (): Promise<string> => (await docker.getContainer(PROXY_NAME).inspect()).NetworkSettings.Networks['bridge']!.IPAddress;

  test('a certificate from an ACME authority: obtained, served, renewed without closing a connection, there after a restart', async () => {
    const [prefix, other] = [world.prefix('shop'), world.prefix('plain')];
    // Holds the proxy, whose address the authority has to know.
    await good(engineWith({}), other, { web: web('main', { expose: 'http', routing: { domain: 'shop.example.test', path: '/plain', port: 8080 } }) });
    const authority = await acmeServer({ 'shop.example.test': await proxyAddress() });
    const engine = engineWith(authority);
    try {
      await good(engine, prefix, { web: secure('shop.example.test') });
      assert.match(await health(engine, prefix), /^progressing .*there is no certificate for shop\.example\.test yet; localhost:\d+ is asked for it$/);
      assert.type(await served('shop.example.test'), 'string', 'a name without a certificate is refused');
      const ca = readFileSync(authority.caFile, 'utf8');
      await tended(engine, async () => {
        await soon(async () => (await health(engine, prefix)) === 'healthy', 'a certificate');
        const first = await served('shop.example.test', ca);
        assert.ok(typeof first !== 'string' && first.valid && first.protocol === 'TLSv1.3', JSON.stringify(first));
        assert.is(await ask('shop.example.test', '/', ca), '200 1.0.0');
        const { output: proofs } = await runtime.exec(PROXY_NAME, ['bash', '-c', `[ -s ${PROOFS_PATH} ] && echo some || echo none`], 60_000, AbortSignal.timeout(60_000));
        assert.match(proofs, /none$/, 'what proved the name is shown no longer');
        assert.is(curl('--http2', '--resolve', `shop.example.test:${httpsPort}:127.0.0.1`, `https://shop.example.test:${httpsPort}/`), '2 200');
        assert.is(await plain('SHOP.example.test:80', '/a?b=c'), `308 https://shop.example.test:${httpsPort}/a?b=c`);
        assert.is(await plain('shop.example.test', '/plain'), '404', 'the narrower route wants no TLS: this is the container\'s own answer');
        assert.type(await served('other.example.test'), 'string', 'no certificate, no answer');
        assert.type(await served('shop.example.test', ca, 'TLSv1.1'), 'string', 'nothing older than TLS 1.2');

        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        assert.is(await ask('shop.example.test', '/', ca, agent), '200 1.0.0');
        const [open] = Object.values(agent.freeSockets).flat();
        const before = await workers();
        clock = 9 * HOUR;
        const asking = setInterval(() => void ask('shop.example.test', '/', ca, agent).catch(() => undefined), 500);
        const next = async (): Promise<boolean> => {
          // At this time the next one would be due as well.
          if (authority.logged('"uri":"/acme/local/new-order"') > 1) clock = 0;
          return JSON.stringify(await served('shop.example.test', ca)) !== JSON.stringify(first);
        };
        await soon(next, 'the next certificate').finally(() => clearInterval(asking));
        clock = 0;
        assert.is(await workers(), before, 'the process that had the first certificate has the next one: none was started in its place');
        assert.is(await ask('shop.example.test', '/', ca, agent), '200 1.0.0');
        assert.ok(open !== undefined && !open.destroyed && Object.values(agent.freeSockets).flat().includes(open), 'the connection from before is the one that is used');
        agent.destroy();

        const second = JSON.stringify(await served('shop.example.test', ca));
        writeFileSync(join(provided, 'shop.pem'), selfSigned(['shop.example.test']));
        await soon(async () => JSON.stringify(await served('shop.example.test', ca)) !== second, 'the operator\'s, which comes first');
        rmSync(join(provided, 'shop.pem'));
        await soon(async () => JSON.stringify(await served('shop.example.test', ca)) === second, 'the authority\'s again');
        await docker.getContainer(PROXY_NAME).restart({ t: 0 });
        await soon(async () => JSON.stringify(await served('shop.example.test', ca)) === second, 'the same certificate after a restart of the proxy');
        await docker.getContainer(PROXY_NAME).remove({ force: true });
        await soon(async () => JSON.stringify(await served('shop.example.test', ca)) === second, 'the same certificate in a proxy made anew');
      });
      assert.is(authority.logged('"uri":"/acme/local/new-order"'), 2);
      assert.equal(readdirSync(home).map((name) => [name.replace(/-[0-9a-f]{16}/, ''), (statSync(join(home, name)).mode & 0o777).toString(8)]).sort(), [['account.key', '600'], ['shop.example.test.pem', '600']]);
      // Another agent on the same directory asks nobody: it has it.
      await tended(engineWith(authority), () => new Promise((resolve) => setTimeout(resolve, 2_500)));
      assert.is(authority.logged('"uri":"/acme/local/new-order"'), 2);
    } finally {
      await authority.close();
      await remove(engine, prefix);
      await remove(engine, other);
    }
  });

  test('no request fails over TLS while containers are replaced, and a body without a length finds its limit in HTTP/2', async () => {
    const prefix = world.prefix('steady');
    const engine = engineWith({});
    const pem = selfSigned(['steady.example.test']);
    writeFileSync(join(provided, 'steady.pem'), pem);
    await tended(engine, async () => {
      await good(engine, prefix, { web: secure('steady.example.test', '1.0.0', { uploadLimit: '1Ki' }) });
      await soon(async () => (await health(engine, prefix)) === 'healthy', 'the certificate that was provided');
      const agent = new Agent({ keepAlive: true, maxSockets: 4 });
      let going = true;
      let answers = 0;
      const bad: string[] = [];
      const loops = Array.from({ length: 4 }, async () => {
        while (going) {
          const answer = await ask('steady.example.test', '/', pem, agent).catch((error: unknown) => String(error));
          answers++;
          if (!answer.startsWith('200')) bad.push(answer);
        }
      });
      for (const version of ['1.1.0', '1.2.0']) await good(engine, prefix, { web: secure('steady.example.test', version, { uploadLimit: '1Ki' }) });
      assert.is((await deploy(engine, prefix, { web: web('main', { expose: 'https', routing: { domain: 'steady.example.test', port: 8080 }, environment: { HEALTHY: '0' } }) })).outcome, 'failed');
      going = false;
      await Promise.all(loops);
      agent.destroy();
      assert.equal(bad, []);
      assert.ok(answers > 50, `${answers} answers`);
      assert.is(await ask('steady.example.test', '/', pem), '200 1.2.0');
      const to = ['--resolve', `steady.example.test:${httpsPort}:127.0.0.1`, `https://steady.example.test:${httpsPort}/`];
      // HAProxy 2.6 may reset a stream whose body it does not want before the answer is read: no answer then, and no request either.
      assert.match(curl('--http2', '-X', 'POST', '-H', 'Content-Length:', '-T', '-', ...to), /^(2 411|0 000)$/);
      assert.match(curl('--http2', '-X', 'POST', '--data-binary', '@-', ...to), /^(2 413|0 000)$/);
      assert.is(curl('--http2', ...to), '2 200');
    });
    await remove(engine, prefix);
  });

  test('certificates of the operator come before an authority\'s, are taken up when they change, and a bad file says what is wrong', async () => {
    const prefix = world.prefix('own');
    const engine = engineWith({ directoryUrl: 'https://127.0.0.1:1/directory', home: join(home, 'own') });
    writeFileSync(join(provided, 'own.pem'), 'nonsense');
    await good(engine, prefix, { a: secure('a.own.example.test'), wild: secure('*.example.test', '1.1.0') });
    await tended(engine, async () => {
      await soon(async () => /^degraded .*there is no certificate for (a\.own|\*)\.example\.test.*own\.pem: there is no certificate in it/.test(await health(engine, prefix)), 'the reason');
      const [first, second] = [selfSigned(['*.own.example.test', '*.example.test']), selfSigned(['*.own.example.test', '*.example.test'], 60)];
      const put = (text: string): void => {
        writeFileSync(join(provided, 'own.new'), text);
        renameSync(join(provided, 'own.new'), join(provided, 'own.pem'));
      };
      put(first);
      await soon(async () => (await health(engine, prefix)) === 'healthy', 'the certificate');
      assert.is(await ask('a.own.example.test', '/', first), '200 1.0.0');
      assert.is(await ask('any.example.test', '/', first), '200 1.1.0');
      const before = await served('a.own.example.test');
      // 160 bits are too few for OpenSSL: the proxy refuses it, keeps what it has and starts with that.
      put(selfSigned(['*.own.example.test', '*.example.test'], 90, 'secp160r1'));
      await soon(async () => /degraded .*the proxy refuses the certificate of /.test(await health(engine, prefix)), 'the refusal');
      assert.equal(await served('a.own.example.test'), before);
      await docker.getContainer(PROXY_NAME).restart({ t: 0 });
      await soon(async () => JSON.stringify(await served('a.own.example.test')) === JSON.stringify(before), 'the one from before after a restart of the proxy');
      put(second);
      await soon(async () => (await ask('a.own.example.test', '/', second).catch(() => '')) === '200 1.0.0', 'the next one');
      await soon(async () => (await health(engine, prefix)) === 'healthy', 'health');
    });
    await remove(engine, prefix);
  });

  test('an authority that cannot be had is a reason that people see, and is asked again later, also after a restart of the agent', async () => {
    const prefix = world.prefix('none');
    const own = join(home, 'none');
    const engine = engineWith({ directoryUrl: 'https://127.0.0.1:1/directory', home: own });
    await good(engine, prefix, { web: secure('none.test') });
    await tended(engine, async () => {
      await soon(async () => (await health(engine, prefix)).startsWith('degraded'), 'the reason');
      assert.match(await health(engine, prefix), /^degraded .*there is no certificate for none\.test: 127\.0\.0\.1:1 did not give one: .*ECONNREFUSED.*; asked again \d{4}-/);
    });
    const noted = readFileSync(join(own, 'none.test.json'), 'utf8');
    await tended(engineWith({ directoryUrl: 'https://127.0.0.1:1/directory', home: own }), () => new Promise((resolve) => setTimeout(resolve, 2_500)));
    assert.is(readFileSync(join(own, 'none.test.json'), 'utf8'), noted, 'nobody was asked before the time');
    assert.is((JSON.parse(noted) as { failures: number }).failures, 1);
    await remove(engine, prefix);
  });

  test('a port for HTTPS that somebody else has: plain HTTP is served, HTTPS is refused with the reason, and served once it is free', async () => {
    const [prefix, other] = [world.prefix('late'), world.prefix('early')];
    const taken = await freePort();
    const holder = await docker.createContainer({ Image: await pulled(docker, 'busybox:1.36'), Cmd: ['sleep', '600'], Labels: { 'tagboat.dev/team': world.team }, ExposedPorts: { '443/tcp': {} }, HostConfig: { PortBindings: { '443/tcp': [{ HostPort: String(taken) }] } } });
    await holder.start();
    const engine = engineWith({ httpsPort: taken });
    await good(engine, other, { web: web('1.0.0', { expose: 'http', routing: { domain: 'early.test', port: 8080 } }) });
    assert.is(await plain('early.test', '/'), '200');
    const refused = await deploy(engine, prefix, { web: secure('late.test') });
    assert.is(refused.outcome === 'failed' && refused.code, 'PortInUse');
    await tended(engine, () => soon(async () => (await plain('early.test', '/').catch(() => '')) === '200', 'plain HTTP again'));
    await holder.remove({ force: true });
    await good(engine, prefix, { web: secure('late.test') });
    assert.is(await plain('late.test', '/'), `308 https://late.test:${taken}/`);
    assert.is(await plain('early.test', '/'), '200');
    await remove(engine, prefix);
    await remove(engine, other);
  });
}

test.run();

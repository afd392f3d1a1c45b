import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { inspect } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packageVersion } from './package-root.ts';
import { ConfigError, configProblemText, loadConfig } from './config.ts';
import type { ControllerConfig } from './config.ts';

const test = suite('config');
let directory = '';
test.before(() => {
  directory = mkdtempSync(join(tmpdir(), 'tagboat-config-'));
});
test.after(() => rmSync(directory, { recursive: true, force: true }));

function load(yaml: string | null, env: Record<string, string> = {}): ControllerConfig {
  const path = join(directory, 'tagboat.yaml');
  if (yaml === null) return loadConfig({ env, directory: join(directory, 'elsewhere') });
  writeFileSync(path, yaml);
  return loadConfig({ path, env, directory: join(directory, 'elsewhere') });
}

function problems(yaml: string | null, env: Record<string, string> = {}): string[] {
  try {
    load(yaml, env);
  } catch (error) {
    assert.instance(error, ConfigError);
    assert.is((error as ConfigError).code, 'ConfigInvalid');
    return (error as ConfigError).problems.map((problem) => configProblemText(problem).replaceAll(`${directory}/`, ''));
  }
  return [];
}

const SMALL = 'teams:\n  - name: acme\n    repository: https://git.example.org/acme.git\n';

test('defaults are filled in, and everything is frozen', () => {
  const config = load(SMALL);
  assert.equal(config.database, { kind: 'embedded' });
  assert.is(config.dataDirectory, join(directory, 'elsewhere', '.tagboat'));
  assert.is(config.operatorTokenFile, join(directory, 'elsewhere', '.tagboat', 'operator.token'));
  assert.equal(config.listeners, { http: { host: '127.0.0.1', port: 8080 }, agents: { host: '0.0.0.0', port: 8443 }, enrolment: { host: '0.0.0.0', port: 8444 } });
  assert.is(config.publicUrl, 'http://127.0.0.1:8080');
  assert.is(config.agentAddress, '127.0.0.1:8443');
  assert.is(config.agentImage, `tagboat:${packageVersion()}`);
  assert.is(config.public, false);
  assert.equal(config.teams[0], { name: 'acme', repository: 'https://git.example.org/acme.git', branch: 'main', directory: '', poll: '*/10 * * * * *', credentials: null, sources: [], notificationUrls: [], webhookSecret: null, reviews: { forge: null, publicProject: null, branches: [], limit: 200, staleAfterMs: 2_592_000_000 } });
  assert.equal(config.retention, { attemptsMs: 365 * 86_400_000, eventsMs: 30 * 86_400_000, accessMs: 30 * 86_400_000, deliveriesMs: 30 * 86_400_000 });
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.teams[0]) && Object.isFrozen(config.listeners.http));
});

test('where verdicts are told follows from the repository: the public services, and the own host of each provider', () => {
  const forge = (repository: string, provider = ''): unknown[] => {
    const found = load(`teams:\n  - name: acme\n    repository: ${repository}\n    reviews: { token: { env: FORGE }${provider === '' ? '' : `, provider: ${provider}`} }\n`, { FORGE: 'c4n4ry' }).teams[0]!.reviews.forge!;
    return [found.provider, found.api, found.project];
  };
  assert.equal(forge('git@github.com:acme/deployments.git'), ['github', 'https://api.github.com', 'acme/deployments']);
  assert.equal(forge('https://bitbucket.org/acme/deployments.git'), ['bitbucket', 'https://api.bitbucket.org/2.0', 'acme/deployments']);
  assert.equal(forge('https://git.example.org/acme/deployments.git', 'gitea'), ['gitea', 'https://git.example.org/api/v1', 'acme/deployments']);
  for (const repository of ['https://git.example.org/scm/ACME/deployments.git', 'https://git.example.org/bitbucket/scm/ACME/deployments.git', 'ssh://git@git.example.org:7999/ACME/deployments.git'])
    assert.equal(forge(repository, 'bitbucket-data-center'), ['bitbucket-data-center', 'https://git.example.org/rest/api/latest', 'ACME/deployments'], repository);
});

test('without a token the open requests of public projects are asked for, where the host is known', () => {
  const asked = (repository: string, more = ''): unknown => load(`teams:\n  - name: acme\n    repository: ${repository}\n    reviews: {${more}}\n`).teams[0]!.reviews.publicProject;
  assert.equal(asked('https://gitlab.com/acme/group/deployments.git'), { provider: 'gitlab', api: 'https://gitlab.com', project: 'acme/group/deployments' });
  assert.equal(asked('git@codeberg.org:acme/deployments.git'), { provider: 'gitea', api: 'https://codeberg.org/api/v1', project: 'acme/deployments' });
  assert.equal(asked('https://git.example.org/acme/deployments.git', ' provider: gitlab '), { provider: 'gitlab', api: 'https://git.example.org', project: 'acme/deployments' });
  for (const repository of ['https://github.com/acme/deployments.git', 'https://git.example.org/acme/deployments.git', '/srv/git/acme.git']) assert.is(asked(repository), null, repository);
});

test('the address for other replicas is taken as clusters write it', () => {
  for (const [written, meant] of [['10.1.2.3:8443', '10.1.2.3:8443'], ['fd00::12:8443', '[fd00::12]:8443'], ['[fd00::12]:8443', '[fd00::12]:8443'], ['pod-1.tagboat:8443', 'pod-1.tagboat:8443']] as const)
    assert.is(load(SMALL, { TAGBOAT_REPLICA_ADDRESS: written }).replicaAddress, meant);
  assert.is(load(SMALL).replicaAddress, null);
  assert.is(problems(SMALL, { TAGBOAT_REPLICA_ADDRESS: 'nowhere' }).length, 1);
});

test('the environment wins over the file, value by value', () => {
  const config = load(`${SMALL}listeners: { http: { port: 9000 } }\n`, {
    TAGBOAT_LISTENERS_HTTP_PORT: '9001',
    TAGBOAT_LISTENERS_HTTP_HOST: '0.0.0.0',
    TAGBOAT_PUBLIC: 'true',
    TAGBOAT_DATABASE_URL: 'postgres://u:c4n4ry@db/tagboat',
    TAGBOAT_TEAMS_0_BRANCH: 'release',
    TAGBOAT_TEAMS_1_NAME: 'second',
    TAGBOAT_TEAMS_1_REPOSITORY: 'https://git.example.org/second.git',
    TAGBOAT_ALLOWED_SOURCES: 'https://a.example/**, https://b.example/**',
    TAGBOAT_TOKEN: 'of the command line',
  });
  assert.equal(config.listeners.http, { host: '0.0.0.0', port: 9001 });
  assert.is(config.publicUrl, 'http://127.0.0.1:9001');
  assert.is(config.public, true);
  assert.is(config.database.kind === 'url' && config.database.url.reveal(), 'postgres://u:c4n4ry@db/tagboat');
  assert.equal(config.teams.map((team) => [team.name, team.branch]), [['acme', 'release'], ['second', 'main']]);
  assert.equal(config.allowedSources, ['https://a.example/**', 'https://b.example/**']);
  assert.not.match(`${inspect(config, { depth: 9 })}${JSON.stringify(config)}${String(Object.values(config.database))}`, 'c4n4ry');
});

test('all from the environment, without a file', () => {
  const config = load(null, { TAGBOAT_TEAMS_0_NAME: 'acme', TAGBOAT_TEAMS_0_REPOSITORY: 'https://git.example.org/acme.git' });
  assert.is(config.file, null);
  assert.is(config.teams[0]?.name, 'acme');
  assert.match(problems(null)[0] ?? '', 'needs teams (there is no tagboat.yaml here');
});

test('secrets come as they are, from the environment or from a file beside the configuration', () => {
  writeFileSync(join(directory, 'token'), 'c4n4ry-file\n');
  const config = load(
    `teams:
  - { name: a, repository: "https://x/a", credentials: { type: token, token: { file: token } } }
  - { name: b, repository: "https://x/b", credentials: { type: basic, username: bob, password: { env: BOB } }, webhookSecret: c4n4ry-plain }
`,
    { BOB: 'c4n4ry-env' },
  );
  const [a, b] = config.teams;
  assert.is(a?.credentials?.type === 'token' && a.credentials.token.reveal(), 'c4n4ry-file');
  assert.is(b?.credentials?.type === 'basic' && b.credentials.password.reveal(), 'c4n4ry-env');
  assert.is(b?.webhookSecret?.reveal(), 'c4n4ry-plain');
  assert.not.match(`${inspect(config, { depth: 9 })}${JSON.stringify(config)}${String(b?.webhookSecret)}`, 'c4n4ry');
});

test('SSH needs a deploy key that opens and known hosts; each kind of credentials belongs to its kind of URL', () => {
  const key = (name: string, passphrase: string): void => void execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', join(directory, name)]);
  key('key', '');
  key('locked', 'c4n4ry');
  writeFileSync(join(directory, 'known_hosts'), `git.example.org ${readFileSync(join(directory, 'key.pub'), 'utf8')}`);
  const team = (repository: string, credentials: string): string => `teams:\n  - name: a\n    repository: ${repository}\n    credentials: ${credentials}\n`;
  const good = load(team('git@git.example.org:acme/x.git', '{ type: ssh, privateKey: { file: locked }, passphrase: c4n4ry, knownHosts: { file: known_hosts } }')).teams[0]?.credentials;
  assert.ok(good?.type === 'ssh' && good.privateKey.reveal().includes('OPENSSH') && good.passphrase?.reveal() === 'c4n4ry' && good.knownHosts.startsWith('git.example.org ssh-ed25519'));
  assert.not.match(JSON.stringify(good), /OPENSSH|c4n4ry/);
  for (const [repository, credentials, fault] of [
    ['git@h:x', '{ type: ssh, privateKey: { file: locked }, knownHosts: { file: known_hosts } }', /:4:\d+ the private key is encrypted; it needs its passphrase/],
    ['git@h:x', '{ type: ssh, privateKey: { file: locked }, passphrase: c4n4ry2, knownHosts: { file: known_hosts } }', /cannot be opened with this passphrase/],
    ['git@h:x', '{ type: ssh, privateKey: { file: key.pub }, knownHosts: { file: known_hosts } }', /public key/],
    ['git@h:x', '{ type: ssh, privateKey: { file: key }, knownHosts: "git.example.org ssh-ed25519 AAAA" }', /line 1 of the known hosts is none/],
    ['git@h:x', '{ type: ssh, privateKey: { file: key } }', /needs knownHosts/],
    ['git@h:x', '{ type: token, token: x }', /need credentials of type ssh/],
    ['https://h/x', '{ type: ssh, privateKey: { file: key }, knownHosts: { file: known_hosts } }', /over SSH only/],
    ['ssh://h', '{ type: ssh, privateKey: { file: key }, knownHosts: { file: known_hosts } }', /:3:\d+ the SSH address/],
  ] as const) {
    const found = problems(team(repository, credentials));
    assert.is(found.length, 1, credentials);
    assert.match(found[0] ?? '', fault);
    assert.not.match(found[0] ?? '', 'c4n4ry');
  }
});

test('other repositories by pattern; with credentials only where the host is named', () => {
  const sources = (list: string): string => `${SMALL}    sources: [ ${list} ]\n`;
  const [team] = load(sources('{ url: "https://h.test/acme/**", credentials: { type: token, token: c4n4ry } }, { url: "https://*/**" }')).teams;
  assert.equal(team?.sources.map(({ url, credentials }) => [url, credentials?.type ?? null]), [['https://h.test/acme/**', 'token'], ['https://*/**', null]]);
  assert.not.match(JSON.stringify(team), 'c4n4ry');
  for (const url of ['https://*.h.test/**', 'https://**', '**', 'https://h?.test/x']) {
    const found = problems(sources(`{ url: "${url}", credentials: { type: token, token: c4n4ry } }`));
    assert.match(found.join('\n'), /tagboat.yaml:4:\d+ a pattern with credentials must name its host/, url);
  }
  assert.match(problems(sources('{ url: "git@h.test:x/*", credentials: { type: token, token: c4n4ry } }'))[0] ?? '', 'credentials of type ssh');
});

test('the file of further authorities is read and checked at start', () => {
  writeFileSync(join(directory, 'ca.pem'), `# ours\n${rootCertificates[0] ?? ''}\n`);
  assert.is(load(`${SMALL}gitCaFile: ca.pem\n`).gitCa, rootCertificates[0]);
  assert.is(load(SMALL).gitCa, null);
  writeFileSync(join(directory, 'ca.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  assert.match(problems(`${SMALL}gitCaFile: ca.pem\n`)[0] ?? '', 'certificate 1');
  assert.match(problems(`${SMALL}gitCaFile: none.pem\n`)[0] ?? '', 'ENOENT');
});

test('paths in the file are relative to the file, those of the environment to the working directory', () => {
  assert.is(load(`${SMALL}dataDirectory: data\n`).dataDirectory, join(directory, 'data'));
  assert.is(load(SMALL, { TAGBOAT_DATA_DIRECTORY: 'data' }).dataDirectory, join(directory, 'elsewhere', 'data'));
});

test('all problems at once, each with its place', () => {
  assert.equal(
    problems(
      `databse: embedded
listeners:
  http: { port: 99999 }
teams:
  - name: Acme
    repository: https://bob:c4n4ry@git.example.org/acme.git
    credentials:
      type: basic
      token: c4n4ry
  - repository: https://x/b
logLevel: loud
`,
      { TAGBOAT_PUBLIC: 'yes', TAGBOAT_LISTENERS_HTP_PORT: '1' },
    ),
    [
      'environment TAGBOAT_LISTENERS_HTP_PORT: names no setting',
      'environment TAGBOAT_PUBLIC: public must be boolean',
      'tagboat.yaml:1:1 databse is not a known key',
      'tagboat.yaml:3:17 listeners.http.port must be <= 65535',
      'tagboat.yaml:5:11 teams.0.name is not well formed; for example acme',
      'tagboat.yaml:8:7 teams.0.credentials needs username',
      'tagboat.yaml:8:7 teams.0.credentials needs password',
      'tagboat.yaml:9:14 teams.0.credentials.token does not belong to this type',
      'tagboat.yaml:10:5 teams.1 needs name',
      'tagboat.yaml:11:11 logLevel must be one of trace, debug, info, warn, error, fatal, silent',
    ],
  );
});

test('what the schema cannot say is said as well', () => {
  const found = problems(
    `teams:
  - { name: a, repository: "https://bob:c4n4ry@x/a", poll: "* * * * *" }
  - { name: a, repository: "https://x/b", webhookSecret: { file: missing } , credentials: { type: token, token: { env: NONE } } }
  - { name: c, repository: "https://x/b", poll: "every now and then x y" }
`,
  );
  assert.equal(found, [
    'tagboat.yaml:2:28 the repository URL holds a password; put it into credentials, by file or environment',
    'tagboat.yaml:2:60 poll is no cron expression with seconds; for example */10 * * * * *',
    'tagboat.yaml:3:13 two teams are named a',
    `tagboat.yaml:3:66 the file missing cannot be read (ENOENT)`,
    'tagboat.yaml:3:120 the environment variable NONE is not set',
    'tagboat.yaml:4:49 poll is no cron expression with seconds; for example */10 * * * * *',
  ]);
  assert.not.match(found.join(), 'c4n4ry');
});

test('notification URLs: one of a name, http or https, never shown', () => {
  const found = problems(`${SMALL}    notificationUrls:\n      - { name: chat, url: "https://chat.example.org/c4n4ry" }\n      - { name: chat, url: "ftp://c4n4ry" }\n`);
  assert.equal(found, ['tagboat.yaml:6:17 two notification URLs are named chat', 'tagboat.yaml:6:28 the notification URL chat is no http or https URL']);
  assert.not.match(found.join(), 'c4n4ry');
  const config = load(null, { TAGBOAT_TEAMS_0_NAME: 'acme', TAGBOAT_TEAMS_0_REPOSITORY: '/srv/acme.git', TAGBOAT_TEAMS_0_NOTIFICATION_URLS_0_NAME: 'chat', TAGBOAT_TEAMS_0_NOTIFICATION_URLS_0_URL: 'https://chat.example.org/c4n4ry', TAGBOAT_NOTIFICATIONS_ALLOW_PRIVATE_ADDRESSES: 'true' });
  assert.is(config.teams[0]?.notificationUrls[0]?.url.reveal(), 'https://chat.example.org/c4n4ry');
  assert.is(config.notifications.allowPrivateAddresses, true);
  assert.not.match(JSON.stringify(config), 'c4n4ry');
});

test('a secret of the wrong form is one problem, not three', () => {
  assert.equal(problems(`${SMALL}database: { url: { fil: x } }\n`), ['tagboat.yaml:4:11 database must be one of these: embedded; a server of yours']);
  assert.equal(problems(`${SMALL}    webhookSecret: { fil: x }\n`), ['tagboat.yaml:4:20 teams.0.webhookSecret must be one of these: the value; from the environment; from a file']);
});

test('broken YAML, a duplicate key and a missing file have a place, too', () => {
  assert.match(problems('teams: [')[0] ?? '', /^tagboat\.yaml:1:\d+ /);
  assert.match(problems(`${SMALL}public: true\npublic: false\n`)[0] ?? '', /^tagboat\.yaml:5:1 .*unique/);
  assert.throws(() => loadConfig({ path: join(directory, 'no.yaml'), env: {} }), (error: unknown) => error instanceof ConfigError && error.message.includes('ENOENT'));
});

test.run();

// @timeout 600
/**
 * Random histories of commits, tags, failures, rollbacks, crashes and deletions through the plan, the real database and
 * a node that only does what it is told. After each step every rule that can be seen from outside must hold.
 */
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import fc from 'fast-check';
import { sql } from 'slonik';
import { z } from 'zod';
import type { TargetSpec } from '../../schemas/gen/types.ts';
import { hashOf } from '../model/canonical.ts';
import { isAncestorVersion } from '../model/status.ts';
import type { Desired, DesiredDeployment, TargetKey, VersionContent } from '../plan/types.ts';
import { targetKey } from '../plan/types.ts';
import { plan } from '../plan/plan.ts';
import { specHashOf } from '../plan/spec-hash.ts';
import { cancelled, startDue, takeOverRunning } from '../store/attempts.ts';
import { verifyAudit } from '../store/audit-verify.ts';
import { markUndeclared, saveDesired } from '../store/deployments.ts';
import { finishAttempt } from '../store/finish-attempt.ts';
import { acquireLease } from '../store/lease.ts';
import { saveNodes } from '../store/nodes.ts';
import { loadRecorded } from '../store/recorded.ts';
import { saveTeam } from '../store/teams.ts';
import type { RefVersion } from '../store/versions.ts';
import { loadFrozenVersions, saveProducts, saveVersions } from '../store/versions.ts';
import type { TestDatabase } from '../testing/database.ts';
import { testDatabase } from '../testing/database.ts';
import { nodeLease } from '../store/attempts.ts';
import { planTeam, teamLease } from './plan-team.ts';

const NODES = ['harbor', 'pier'] as const;
const PREFIXES = ['shop', 'stage'] as const;
const NAMES = ['one', 'two', 'three'] as const;
const VERSIONS = ['1.0.0', '1.1.0', '1.2.0', '2.0.0'] as const;

type Command =
  | { readonly do: 'manifest'; readonly name: string; readonly node: string; readonly prefix: string; readonly version: string | null; readonly overrides: number; readonly protected: boolean; readonly dependsOn: string | null }
  | { readonly do: 'remove'; readonly name: string }
  | { readonly do: 'rename'; readonly from: string; readonly to: string }
  | { readonly do: 'push'; readonly content: number }
  | { readonly do: 'tag'; readonly version: string; readonly content: number }
  | { readonly do: 'untag'; readonly version: string }
  | { readonly do: 'break'; readonly broken: boolean }
  | { readonly do: 'work'; readonly node: string; readonly outcome: 'succeeded' | 'failed' | 'lost' | 'obey'; readonly twice: boolean }
  | { readonly do: 'crash'; readonly node: string };

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('manifest' as const), name: fc.constantFrom(...NAMES), node: fc.constantFrom(...NODES), prefix: fc.constantFrom(...PREFIXES), version: fc.option(fc.constantFrom(...VERSIONS)), overrides: fc.nat(1), protected: fc.boolean(), dependsOn: fc.option(fc.constantFrom(...NAMES), { freq: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), name: fc.constantFrom(...NAMES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rename' as const), from: fc.constantFrom(...NAMES), to: fc.constantFrom(...NAMES) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('push' as const), content: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('tag' as const), version: fc.constantFrom(...VERSIONS), content: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('untag' as const), version: fc.constantFrom(...VERSIONS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('break' as const), broken: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('work' as const), node: fc.constantFrom(...NODES), outcome: fc.constantFrom('succeeded' as const, 'succeeded' as const, 'failed' as const, 'lost' as const, 'obey' as const), twice: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), node: fc.constantFrom(...NODES) }) },
);

interface Manifest {
  readonly node: string;
  readonly prefix: string;
  readonly version: string | null;
  readonly overrides: number;
  readonly protected: boolean;
  readonly dependsOn: string | null;
}

const statusRow = z.object({ id: z.number(), node: z.string(), prefix: z.string(), version: z.string(), kind: z.string(), status: z.string(), versionId: z.number(), good: z.string().nullable() });

/** A team's world: Git as the test has it, the database, and what runs on the nodes. */
class World {
  readonly team: string;
  readonly db: TestDatabase;
  readonly manifests = new Map<string, Manifest>();
  readonly tags = new Map<string, number>();
  readonly frozenSeen = new Map<string, string>();
  /** What the engines run, by target: the spec hash of the last success. */
  readonly running = new Map<TargetKey, string>();
  branch = 0;
  broken = false;
  commits = 0;
  token = 0;
  nodeTokens = new Map<string, number>();

  constructor(db: TestDatabase, team: string) {
    this.db = db;
    this.team = team;
  }

  async begin(): Promise<void> {
    const { pool } = this.db;
    await saveTeam(pool, { name: this.team, repository: 'file:///nowhere', branch: 'main', directory: '' });
    await saveNodes(pool, this.team, NODES.map((name) => ({ name, type: 'docker', labels: {}, agentVersion: null })));
    await saveProducts(pool, this.team, [{ name: 'shop', type: 'complex', description: '' }]);
    this.token = (await acquireLease(pool, teamLease(this.team), 'test', 600_000))!.token;
    for (const node of NODES) await this.connect(node, 'a');
  }

  async connect(node: string, holder: string): Promise<void> {
    const name = nodeLease(this.team, node);
    await this.db.pool.query(sql.unsafe`update lease set expires_at = clock_timestamp() where name = ${name}`);
    this.nodeTokens.set(node, (await acquireLease(this.db.pool, name, holder, 600_000))!.token);
  }

  async desired(): Promise<Desired> {
    const frozen = await loadFrozenVersions(this.db.pool, this.team);
    const deployments = new Map<string, DesiredDeployment>();
    const blocked = new Map<string, { name: string; product: null; version: null; node: null; prefix: null; problems: [] }>();
    const claims = new Map<string, string>();
    for (const name of [...this.manifests.keys()].sort()) {
      const manifest = this.manifests.get(name)!;
      const key = targetKey(manifest.node, manifest.prefix);
      const kept = manifest.version === null ? undefined : frozen.get(`shop/${manifest.version}`)?.frozen;
      const number = manifest.version === null ? this.branch : this.tags.get(manifest.version);
      const content: VersionContent | null | undefined = kept ?? (number === undefined ? null : versionContent(number));
      if (!content || claims.has(key)) {
        blocked.set(name, { name, product: null, version: null, node: null, prefix: null, problems: [] });
        continue;
      }
      claims.set(key, name);
      const spec = { images: content.images.map((image) => ({ ...image, overrides: manifest.overrides })) } as unknown as TargetSpec;
      const specHash = specHashOf(spec);
      deployments.set(name, {
        name,
        product: 'shop',
        version: { kind: manifest.version === null ? 'rolling' : 'incremental', name: manifest.version ?? 'main', commit: content.commit, frozen: kept !== undefined && kept !== null, content },
        node: manifest.node,
        prefix: manifest.prefix,
        spec,
        specHash,
        overridesHash: hashOf(manifest.overrides),
        attemptKey: hashOf([specHash, manifest]),
        dependsOn: manifest.dependsOn !== null && manifest.dependsOn !== name && this.manifests.has(manifest.dependsOn) && manifest.dependsOn < name ? [manifest.dependsOn] : [],
        protected: manifest.protected,
        removeVolumes: false,
        selfHeal: false,
        retries: 1,
        strategies: [],
        timeoutMs: 60_000,
        oneNetwork: false,
      });
    }
    return { team: this.team, commit: `c${this.commits}`, deployments, blocked, mayRemove: !this.broken, keepReason: 'the repository has problems' };
  }

  async reconcile(): Promise<void> {
    const versions: RefVersion[] = [...this.tags].map(([name, content]) => ({ product: 'shop', kind: 'incremental', name, ref: `refs/tags/shop/${name}`, commit: `k${content}`, tagObject: null, parent: this.parent(name), tagger: null, message: null }));
    versions.push({ product: 'shop', kind: 'rolling', name: 'main', ref: 'refs/heads/main', commit: `k${this.branch}`, tagObject: null, parent: null, tagger: null, message: null });
    await saveVersions(this.db.pool, this.team, versions);
    const desired = await this.desired();
    await saveDesired(this.db.pool, this.team, desired.commit, [...desired.deployments.values()], [...desired.blocked.values()]);
    await markUndeclared(this.db.pool, this.team, [...this.manifests.keys()]);
    await planTeam(this.db.pool, desired, { actor: 'ada@example.com', backoffMs: () => 0 }, this.token);
  }

  /** 1.0.0 ← 1.1.0 ← 1.2.0 and 1.0.0 ← 2.0.0: a line with a side branch. */
  parent(name: string): string | null {
    if (name === '1.0.0') return null;
    if (name === '1.2.0' && this.tags.has('1.1.0')) return '1.1.0';
    return this.tags.has('1.0.0') ? '1.0.0' : null;
  }

  async work(node: string, outcome: 'succeeded' | 'failed' | 'lost' | 'obey', twice: boolean): Promise<void> {
    const token = this.nodeTokens.get(node)!;
    const { pool } = this.db;
    const fresh = await pool.transaction((tx) => startDue(tx, this.team, node, token, 10));
    const inHand = fresh.length > 0 ? fresh : await takeOverRunning(pool, this.team, node, token);
    const toStop = new Set((await cancelled(pool, this.team, node)).map((item) => item.id));
    for (const attempt of inHand) {
      const end = outcome === 'obey' ? (toStop.has(attempt.id) ? 'cancelled' : 'succeeded') : outcome;
      const images = attempt.spec?.images ?? [];
      const result = { attemptId: attempt.id, outcome: end, code: end === 'failed' ? 'HealthCheckFailed' : '', reason: end, restored: true, digests: images.map((image) => ({ name: image.name, image: image.image, digest: `sha256:${hashOf(image.image)}` })), evidence: [] } as const;
      await pool.transaction((tx) => finishAttempt(tx, { team: this.team, node }, result));
      if (end === 'succeeded') {
        const key = targetKey(node, attempt.prefix);
        if (attempt.kind === 'deploy') await this.checkSuccess(attempt.recordId!);
        if (attempt.kind === 'remove') this.running.delete(key);
        else this.running.set(key, specHashOf(attempt.spec!));
      }
      if (twice) {
        const again = await pool.transaction((tx) => finishAttempt(tx, { team: this.team, node }, { ...result, outcome: 'failed' }));
        assert.is(again?.first, false, 'an end told twice changes nothing');
      }
    }
  }

  /** R16, R17: at the moment of a success nothing else is successful on its target, and whatever is later is downgraded. */
  async checkSuccess(recordId: number): Promise<void> {
    const rows = await this.db.pool.any(sql.type(z.object({ id: z.number(), status: z.string(), versionId: z.number() }))`
      select s.id, s.status, s.version_id as "versionId" from record r join record s on s.team = r.team and s.node = r.node and s.prefix = r.prefix where r.id = ${recordId}`);
    const versions = await this.db.pool.any(sql.type(z.object({ id: z.number(), parentId: z.number().nullable() }))`select id, parent_id as "parentId" from version where team = ${this.team}`);
    const parents = new Map(versions.map((version) => [version.id, version.parentId]));
    const own = rows.find((row) => row.id === recordId)!;
    assert.is(own.status, 'successful');
    for (const row of rows) {
      if (row.id === recordId) continue;
      assert.is.not(row.status, 'successful', 'R16');
      if (isAncestorVersion(own.versionId, row.versionId, parents) && row.status !== 'preparing') assert.is(row.status, 'downgraded', 'R17');
    }
  }

  async run(step: Command): Promise<void> {
    if (step.do === 'work') {
      await this.work(step.node, step.outcome, step.twice);
      return this.reconcile();
    }
    if (step.do === 'crash') {
      const stale = this.nodeTokens.get(step.node)!;
      await this.connect(step.node, `holder-${this.commits++}`);
      const refused = await this.db.pool.transaction((tx) => startDue(tx, this.team, step.node, stale, 10));
      assert.is(refused.length, 0, 'a replica with an old fencing token starts nothing');
      return;
    }
    this.commits++;
    if (step.do === 'manifest') this.manifests.set(step.name, step);
    if (step.do === 'remove') this.manifests.delete(step.name);
    if (step.do === 'rename' && this.manifests.has(step.from) && !this.manifests.has(step.to)) {
      this.manifests.set(step.to, this.manifests.get(step.from)!);
      this.manifests.delete(step.from);
    }
    if (step.do === 'push') this.branch = step.content;
    if (step.do === 'tag') this.tags.set(step.version, step.content);
    if (step.do === 'untag') this.tags.delete(step.version);
    if (step.do === 'break') this.broken = step.broken;
    const removals = sql.fragment`attempt where team = ${this.team} and kind = 'remove'`;
    const before = await this.count(removals);
    const moved = await this.movedTargets();
    await this.reconcile();
    if (this.broken) assert.ok((await this.count(removals)) - before <= moved, 'R20: a repository with problems removes nothing but what has moved');
  }

  /** Targets whose owner is declared elsewhere: their removal is a move, not a disappearance. */
  async movedTargets(): Promise<number> {
    const rows = await this.db.pool.any(sql.type(z.object({ key: z.string(), deployment: z.string() }))`select node || '/' || prefix as key, deployment from target where team = ${this.team}`);
    return rows.filter(({ key, deployment }) => {
      const manifest = this.manifests.get(deployment);
      return manifest !== undefined && targetKey(manifest.node, manifest.prefix) !== key;
    }).length;
  }

  async count(from: ReturnType<typeof sql.fragment>): Promise<number> {
    return Number(await this.db.pool.oneFirst(sql.type(z.object({ n: z.number() }))`select count(*)::int as n from ${from}`));
  }

  async check(): Promise<void> {
    const { pool } = this.db;
    const records = await pool.any(sql.type(statusRow)`
      select r.id, r.node, r.prefix, r.version, r.version_kind as kind, r.status, r.version_id as "versionId", r.good_spec_hash as good from record r where r.team = ${this.team}`);
    const versions = await pool.any(sql.type(z.object({ id: z.number(), parentId: z.number().nullable() }))`select id, parent_id as "parentId" from version where team = ${this.team}`);
    const parents = new Map(versions.map((version) => [version.id, version.parentId]));
    const live = new Map((await pool.any(sql.type(z.object({ node: z.string(), prefix: z.string(), id: z.number().nullable() }))`select node, prefix, live_record_id as id from target where team = ${this.team}`)).map((row) => [targetKey(row.node, row.prefix), row.id]));
    const byTarget = new Map<TargetKey, (typeof records)[number][]>();
    for (const record of records) byTarget.set(targetKey(record.node, record.prefix), [...(byTarget.get(targetKey(record.node, record.prefix)) ?? []), record]);
    for (const [key, list] of byTarget) {
      const successful = list.filter((record) => record.status === 'successful');
      assert.ok(successful.length <= 1, `R16: ${key} has ${successful.length} successful records`);
      const rolling = list.filter((record) => record.kind === 'rolling').map((record) => record.versionId);
      assert.is(new Set(rolling).size, rolling.length, `R12: ${key} has two records of one rolling version`);
      for (const version of VERSIONS) {
        assert.ok(list.filter((record) => record.kind === 'incremental' && record.version === version && record.status === 'preparing').length <= 1, `R13: ${key} prepares ${version} twice`);
      }
      const serving = list.find((record) => record.id === live.get(key));
      assert.is(serving?.good ?? undefined, this.running.get(key), `R19: what is recorded as live on ${key} is what runs`);
      if (serving?.status === 'successful') {
        for (const record of list) {
          if (isAncestorVersion(serving.versionId, record.versionId, parents) && record.status === 'successful') assert.unreachable(`R17: ${key} has ${record.version} beside its ancestor`);
        }
      }
    }
    for (const [name, version] of await loadFrozenVersions(pool, this.team)) {
      const now = hashOf([version.commit, version.frozen]);
      assert.is(this.frozenSeen.get(name) ?? now, now, `R8: ${name} was frozen and changed`);
      this.frozenSeen.set(name, now);
    }
  }

  /** Everybody does what they are told: then Git and the record agree and there is nothing left to do. */
  async settle(): Promise<void> {
    this.broken = false;
    this.commits++;
    for (const [name, manifest] of this.manifests) this.manifests.set(name, { ...manifest, overrides: manifest.overrides + 10 });
    await this.reconcile();
    for (let round = 0; round < 12; round++) {
      for (const node of NODES) await this.work(node, 'obey', false);
      await this.reconcile();
      await this.check();
    }
    const desired = await this.desired();
    const recorded = await loadRecorded(this.db.pool, this.team);
    const left = plan(desired, recorded, { nodes: new Map(), drift: new Map() }).actions.filter((action) => action.kind !== 'blocked' && action.kind !== 'hold' && !action.waitsFor.some((name) => desired.blocked.has(name)));
    assert.equal(left.filter((action) => action.waitsFor.length === 0), [], 'plan(apply(plan)) is empty');
    for (const wanted of desired.deployments.values()) {
      if (left.some((action) => action.deployment === wanted.name)) continue;
      assert.is(this.running.get(targetKey(wanted.node, wanted.prefix)) !== undefined || desired.blocked.size > 0, true, `${wanted.name} runs`);
    }
    const open = await this.count(sql.fragment`attempt where team = ${this.team} and state <> 'done'`);
    assert.is(open, 0, 'R22: nothing stays in progress');
    const verdict = await verifyAudit(this.db.pool, this.team);
    assert.is(verdict.firstBroken, undefined, 'R26: one audit story');
  }
}

function versionContent(content: number): VersionContent {
  return { commit: `k${content}`, tagObject: null, files: {}, images: [{ name: 'web', image: `web:${content}`, dependsOn: [], config: {} }] as unknown as VersionContent['images'] };
}

const test = suite('random histories keep every rule');
let db: TestDatabase;
test.before(async () => {
  db = await testDatabase();
});
test.after(() => db.drop());

let teams = 0;
test('what was taken out comes back, at the same place and with the same content', async () => {
  const world = new World(db, 'taken-out');
  await world.begin();
  const manifest: Command = { do: 'manifest', name: 'one', node: 'harbor', prefix: 'shop', version: null, overrides: 0, protected: false, dependsOn: null };
  const work: Command = { do: 'work', node: 'harbor', outcome: 'succeeded', twice: false };
  for (const step of [manifest, work, { do: 'remove', name: 'one' } as const, work, manifest, work]) {
    await world.run(step);
    await world.check();
  }
  assert.is(world.running.size, 1);
  await world.settle();
});

test('from the plan to the database and back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 40 }), async (commands) => {
      const world = new World(db, `team-${teams++}`);
      await world.begin();
      for (const step of commands) {
        await world.run(step);
        await world.check();
      }
      await world.settle();
    }),
    { numRuns: Number(process.env['TAGBOAT_HISTORIES'] ?? 40), endOnFailure: process.env['TAGBOAT_HISTORIES'] !== undefined, includeErrorInReport: true },
  );
});

test.run();

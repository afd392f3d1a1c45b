/** A compose file → the manifests that mean the same, and what of it they do not mean. */
import { basename, posix } from 'node:path';
import type { VersionImage } from '../../schemas/gen/types.ts';
import type { Draft, Whole } from './draft.ts';
import { parseEnvFile } from './env-file.ts';
import { Findings } from './findings.ts';
import type { Finding } from './findings.ts';
import { noteNested } from './host-paths.ts';
import type { Jail } from './jail.ts';
import { jobsOf } from './jobs.ts';
import { loadProject, reportFile } from './load.ts';
import type { Project } from './load.ts';
import { settlePorts } from './ports.ts';
import { accountGround } from './relations.ts';
import { borrowVolumes, draftOf, fill, finish, imageOf } from './service.ts';
import { label, Labels } from './units.ts';
import { Values } from './values.ts';

export interface ImportOptions {
  readonly jail: Jail;
  /** The compose files in the jail, at least one; each is laid over those before it. */
  readonly files: readonly string[];
  readonly shownPrefix: string;
  readonly profiles: readonly string[];
  /** Texts of files with variables, the later ones stronger; default: `.env` in the jail where it is. */
  readonly envTexts: readonly string[] | undefined;
  /** A file that compose takes along unasked, and the import does not. */
  readonly besides?: string | undefined;
  /** Default: what the file says, else its directory's name. */
  readonly product: string | undefined;
}

export interface Imported {
  readonly product: string;
  /** Empty where nothing useful came of it. */
  readonly images: readonly VersionImage[];
  readonly findings: readonly Finding[];
}

const PROJECT_NAME = 'COMPOSE_PROJECT_NAME';

export function importCompose(options: ImportOptions): Imported {
  const findings = new Findings();
  const { jail, files, shownPrefix } = options;
  if (options.besides !== undefined) findings.add('OverrideAside', { file: shownPrefix + options.besides, line: 0, column: 0 }, `compose takes ${options.besides} along where no file is named; it was not read`);
  const written = variablesOf(options, findings);
  const [first = ''] = files;
  const usual = label(basename(posix.join(jail.root, posix.dirname(first)))) || 'imported';
  const fixed = options.product ?? (label(written.get(PROJECT_NAME) ?? '') || undefined);
  const load = (name: string): Project | undefined => {
    const variables = new Map([...written, [PROJECT_NAME, name]]);
    return loadProject({ jail, files, shownPrefix, profiles: profilesOf(options, variables), variables, findings });
  };
  const read = load(fixed ?? usual);
  const product = fixed ?? (label(read?.name ?? '') || usual);
  // What a file calls its project counts in its own variables, too.
  const project = read === undefined || product === (fixed ?? usual) ? read : load(product);
  if (project === undefined) return { product, images: [], findings: findings.sorted() };
  if (project.services.size === 0 && project.inactive.size > 0) findings.add('NothingChosen', { file: shownPrefix + first, line: 0, column: 0 }, `every service belongs to a profile: ${[...project.inactive].slice(0, 20).join(', ')}`);
  return { product, images: imagesOf(project, product, jail, findings), findings: findings.sorted() };
}

/** Those that were named, else those of `.env`. */
function profilesOf({ profiles }: ImportOptions, variables: ReadonlyMap<string, string>): ReadonlySet<string> {
  return new Set(profiles.length > 0 ? profiles : (variables.get('COMPOSE_PROFILES') ?? '').split(',').map((name) => name.trim()));
}

/** `PWD` is where the compose file lies, `HOME` is nowhere on a node; no other variable of this process counts. */
function variablesOf(options: ImportOptions, findings: Findings): ReadonlyMap<string, string> {
  const { jail, files, shownPrefix, envTexts } = options;
  const [file = ''] = files;
  const texts = [...(envTexts ?? [])];
  const beside = envTexts === undefined ? jail.look(jail.inside(file, '.env')) : undefined;
  if (beside?.kind === 'file') texts.push(beside.text);
  else if (beside !== undefined && beside.kind !== 'missing') reportFile(findings, { file: shownPrefix + file, line: 0, column: 0 }, '.env', beside.kind, beside.kind === 'unreadable' ? beside.why : '');
  let variables: ReadonlyMap<string, string> = new Map([['PWD', '.'], ['HOME', '~']]);
  for (const text of texts) variables = new Map([...variables, ...parseEnvFile(text, variables)]);
  return variables;
}

function imagesOf(project: Project, product: string, jail: Jail, findings: Findings): VersionImage[] {
  const values = new Values(findings);
  const images = new Labels();
  const named = [...project.services].map(([name, dict]) => ({ name, dict, image: imageOf(name, dict, { values, findings, product }) }));
  // Names that are labels already keep them, whatever comes before.
  for (const { name } of named) if (label(name) === name) images.of(name);
  const jobs = jobsOf(project.services.values(), (item) => values.text(item));
  const deployable = new Set(named.flatMap(({ name, image }) => (image === undefined ? [] : [name])));
  const whole: Whole = { project, product, jail, values, findings, images, volumes: new Labels(), directories: new Map(), memories: new Map(), later: [], jobs, deployable };
  for (const name of project.volumes.keys()) if (label(name) === name) whole.volumes.of(name);
  accountGround({ whole });

  const drafts = new Map<string, Draft>();
  const links: ReadonlyMap<string, string>[] = [];
  for (const { name, dict, image } of named) {
    if (image === undefined) continue;
    const draft = draftOf(name, dict, whole);
    draft.image = image;
    drafts.set(name, draft);
    links.push(fill(draft));
  }
  for (const link of links) for (const [service, alias] of link) drafts.get(service)?.aliases.add(alias);
  for (const settle of whole.later) settle();
  noteNested(whole);
  for (const draft of drafts.values()) borrowVolumes(draft, drafts);
  breakCircles([...drafts.values()], findings);
  settlePorts([...drafts.values()]);
  noteIsolation([...drafts.values()], findings);
  return [...drafts.values()].map(finish);
}

/** Compose refuses services that wait for each other; the dependency that closes a circle is left out. */
function breakCircles(drafts: readonly Draft[], findings: Findings): void {
  const byImage = new Map(drafts.map((draft) => [draft.name, draft]));
  const done = new Set<string>();
  for (const start of drafts) {
    const trail = [{ draft: start, rest: [...start.dependsOn] }];
    for (let top = trail.at(-1); top !== undefined; top = trail.at(-1)) {
      const next = top.rest.pop();
      const draft = next === undefined ? undefined : byImage.get(next);
      if (next === undefined) done.add((trail.pop() as { draft: Draft }).draft.name);
      else if (draft !== undefined && trail.some((one) => one.draft === draft)) {
        top.draft.dependsOn.delete(next);
        const at = (top.draft.dict.entries.get('depends_on') ?? top.draft.dict.entries.get('links'))?.key ?? top.draft.at;
        findings.add('Circle', at, `${top.draft.service} waits for ${draft.service} in a circle; it does not wait any more`);
      } else if (draft !== undefined && !done.has(next)) trail.push({ draft, rest: [...draft.dependsOn] });
    }
  }
}

/** Two services without a common network cannot meet in compose; in one target they can. */
function noteIsolation(drafts: readonly Draft[], findings: Findings): void {
  const meeting = drafts.filter((draft) => draft.config.networkMode === undefined);
  for (const one of meeting) {
    const other = meeting.find((two) => two !== one && ![...one.networks].some((network) => two.networks.has(network)));
    const at = one.dict.entries.get('networks')?.key;
    if (other !== undefined && at !== undefined) return findings.add('NetworksMerged', at, `${one.service} and ${other.service} share no network in compose, and do here`);
  }
}

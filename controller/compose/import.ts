/** A compose file → the manifests that mean the same, and what of it they do not mean. */
import { basename } from 'node:path';
import type { VersionImage } from '../../schemas/gen/types.ts';
import type { Draft, Whole } from './draft.ts';
import { parseEnvFile } from './env-file.ts';
import { Findings } from './findings.ts';
import type { Finding } from './findings.ts';
import type { Jail } from './jail.ts';
import { loadProject, reportFile } from './load.ts';
import type { Project } from './load.ts';
import { accountGround, jobsOf } from './relations.ts';
import { borrowVolumes, draftOf, fill, finish, imageOf } from './service.ts';
import { label, Labels } from './units.ts';
import { Values } from './values.ts';

export interface ImportOptions {
  readonly jail: Jail;
  /** The compose file in the jail. */
  readonly file: string;
  readonly shownPrefix: string;
  readonly profiles: readonly string[];
  /** Texts of files with variables, the later ones stronger; default: `.env` in the jail where it is. */
  readonly envTexts: readonly string[] | undefined;
  /** Default: what the file says, else its directory's name. */
  readonly product: string | undefined;
}

export interface Imported {
  readonly product: string;
  /** Empty where nothing useful came of it. */
  readonly images: readonly VersionImage[];
  readonly findings: readonly Finding[];
}

export function importCompose(options: ImportOptions): Imported {
  const findings = new Findings();
  const { jail, file, shownPrefix } = options;
  const project = loadProject({ jail, file, shownPrefix, profiles: new Set(options.profiles), variables: variablesOf(options, findings), findings });
  const product = options.product ?? (label(project?.name ?? '') || label(basename(jail.root)) || 'imported');
  if (project === undefined) return { product, images: [], findings: findings.sorted() };
  return { product, images: imagesOf(project, product, jail, findings), findings: findings.sorted() };
}

/** `PWD` is where the compose file lies, `HOME` is nowhere on a node; no other variable of this process counts. */
function variablesOf(options: ImportOptions, findings: Findings): ReadonlyMap<string, string> {
  const { jail, file, shownPrefix, envTexts } = options;
  const texts = [...(envTexts ?? [])];
  const beside = envTexts === undefined ? jail.look(jail.inside(file, '.env')) : undefined;
  if (beside?.kind === 'file') texts.push(beside.text);
  else if (beside !== undefined && beside.kind !== 'missing') reportFile(findings, { file: shownPrefix + file, line: 0, column: 0 }, '.env', beside.kind, beside.kind === 'unreadable' ? beside.why : '');
  let variables: ReadonlyMap<string, string> = new Map([['PWD', '.'], ['HOME', '~'], ['COMPOSE_PROJECT_NAME', options.product ?? (label(basename(jail.root)) || 'imported')]]);
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
  const whole: Whole = { project, product, jail, values, findings, images, volumes: new Labels(), jobs, deployable };
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
  for (const draft of drafts.values()) borrowVolumes(draft, drafts);
  noteIsolation([...drafts.values()], findings);
  return [...drafts.values()].map(finish);
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

/**
 * The room where repositories' files become manifests. What comes in is hostile: bytes and paths from anybody who can push.
 * What leaves is typed, validated, and knows its places; everything else leaves as a problem.
 *
 * Who lives here: compose-yaml (text → tree, with limits), yaml-value (tree → value), schema-problems (faults for people), locate
 * (places), parse-file (one file), parse-cache (by blob id), read-set (all files), source-* (where files come
 * from), check-* (what no schema can say).
 */
import type { Document } from 'yaml';
import { validateConfigBundle, validateDeployment, validateNode, validateNotification, validateProduct, validateRegistry, validateTeam, validateVersion } from '../../schemas/gen/validators.ts';
import type { SchemaError } from '../../schemas/gen/validators.ts';
import type { AnyManifest, Kind, ParsedFile } from '../model/manifest.ts';
import { KINDS } from '../model/manifest.ts';
import type { Position, Problem, ProblemCode } from '../model/problem.ts';
import { problem } from '../model/problem.ts';
import { composeYaml } from './compose-yaml.ts';
import type { ComposedYaml } from './compose-yaml.ts';
import { didYouMean } from './did-you-mean.ts';
import { MANIFEST_LIMITS } from './limits.ts';
import { locators, offsetPlace, placeOf, rememberYaml } from './locate.ts';
import { schemaProblems } from './schema-problems.ts';
import { toValue } from './yaml-value.ts';

const API_VERSION = 'tagboat/v1';
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';
/** A document that claims to be ours. Other YAML (compose files, CI configuration) is nobody's problem as long as it is YAML. */
const CLAIM = /(?:^(?:---[ \t]+)?|[{,]\s*)["']?apiVersion["']?[ \t]*:\s*["']?tagboat/im;
/** The same in a file that is indented as a whole. Text inside of other tools' files is indented, too, so the file's first line decides. */
const INDENTED_CLAIM = /^[ ]+["']?apiVersion["']?[ \t]*:\s*["']?tagboat/im;
/** One of our kinds without any `apiVersion`: forgotten, and to pass over it would look like a removal (R20). */
const KIND_CLAIM = new RegExp(`^["']?kind["']?[ \\t]*:[ \\t]*["']?(?:${KINDS.join('|')})["']?[ \\t\\r]*(?:#.*)?$`, 'm');
const SOME_API_VERSION = /^["']?apiVersion["']?[ \t]*:/m;
const SPEC_LINE = /^["']?spec["']?[ \t]*:/m;
/** Where manifests usually are (SPEC §2): what stands there and says nothing else is meant for us, however broken. */
const USUAL_PLACE = /^(?:team|(?:nodes|registries|bundles|notifications|deployments)\/[^/]+|products\/[^/]+\/(?:product|version))\.ya?ml$/;
/** Templates become YAML only when other tools have filled them in. */
const TEMPLATE = /\{\{[^{}]*\}\}|\{%[^%]*%\}|<%[^%]*%>/;
/** What is larger and neither says that it is ours nor lies where manifests are was never one; to read it all would cost seconds (in characters). */
const UNCLAIMED_LENGTH = 128 * 1024;
const NOTHING: ParsedFile = Object.freeze({ manifests: [], problems: [] });

const VALIDATORS = {
  Team: validateTeam,
  Node: validateNode,
  Registry: validateRegistry,
  Product: validateProduct,
  Version: validateVersion,
  ConfigBundle: validateConfigBundle,
  Deployment: validateDeployment,
  Notification: validateNotification,
} as const satisfies Record<Kind, { (value: unknown): boolean; errors?: readonly SchemaError[] | null }>;

/** Reads one file. Pure in (path, bytes), so that it may be remembered by blob id. Never throws. */
export function parseManifestFile(path: string, bytes: Uint8Array): ParsedFile {
  const whole = (code: ProblemCode, message: string, severity: 'error' | 'warning' = 'error', line = 1): ParsedFile => ({
    manifests: [],
    problems: [problem(code, { file: path, line, column: 1 }, message, { severity })],
  });
  if (bytes.length > MANIFEST_LIMITS.fileBytes) {
    // A big file of somebody else's must not freeze removals (R20); one that claims to be ours must.
    const ours = claims(bytes.subarray(0, MANIFEST_LIMITS.fileBytes));
    return whole('FileTooLarge', `the file is larger than ${MANIFEST_LIMITS.fileBytes / 1024 / 1024} MiB`, ours ? 'error' : 'warning');
  }
  if (startsWith(bytes, LFS_POINTER)) return whole('LfsPointer', 'the file is a Git LFS pointer');
  const claimed = claims(bytes);
  if (isUtf16(bytes)) return claimed ? whole('NotUtf8', 'the file is UTF-16') : NOTHING;

  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return whole('NotUtf8', 'the file is not UTF-8');
  }
  const nul = text.indexOf('\0');
  if (nul >= 0) return whole('YamlSyntax', 'the file holds a NUL character', 'error', text.slice(0, nul).split('\n').length);
  return claimed ? parseText(path, text) : parseUnclaimed(path, text);
}

/**
 * What does not say that it is ours may have been a manifest until somebody broke it, and to pass over that would look like a removal (R20):
 * no YAML at all, something else at a usual place, or ours in all but its apiVersion.
 */
function parseUnclaimed(file: string, text: string): ParsedFile {
  const usual = USUAL_PLACE.test(file) && !SOME_API_VERSION.test(text);
  if (!usual && (text.length > UNCLAIMED_LENGTH || TEMPLATE.test(text))) return NOTHING;
  // Others may have anchors, tags and more of everything than manifests.
  const { documents, fault } = composeYaml(text, { anchors: true, tags: 'any' });
  const broken = documents.some(({ errors }) => errors.length > 0);
  if (!usual && !broken && (fault !== null || !KIND_CLAIM.test(text) || !SPEC_LINE.test(text) || composeYaml(text).fault !== null)) return NOTHING;
  return parseText(file, text);
}

function parseText(file: string, text: string): ParsedFile {
  const composed = composeYaml(text);
  if (composed.fault !== null) {
    return { manifests: [], problems: [problem(composed.fault.code, offsetPlace(file, composed.lines, composed.fault.offset), composed.fault.message)] };
  }
  const manifests: AnyManifest[] = [];
  const problems: Problem[] = [];
  for (const [index, document] of composed.documents.entries()) {
    const read = readDocument(file, text, index, document, composed);
    if (read.manifest !== null) manifests.push(read.manifest);
    problems.push(...read.problems);
    if (problems.length > MANIFEST_LIMITS.problemsPerFile) break;
  }
  if (problems.length > 0) rememberYaml(text, composed);
  return { manifests, problems: capped(file, problems) };
}

interface ReadDocument {
  readonly manifest: AnyManifest | null;
  readonly problems: readonly Problem[];
}

function readDocument(file: string, text: string, index: number, document: Document.Parsed, composed: ComposedYaml): ReadDocument {
  const at = (offset: number): Position => offsetPlace(file, composed.lines, offset);
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const problems = faults.slice(0, 20).map((error) => problem('YamlSyntax', at(error.pos[0]), syntaxMessage(error.message)));
    return { manifest: null, problems };
  }
  const { value, faults: valueFaults } = toValue(document.contents);
  const usual = USUAL_PLACE.test(file);
  if (!isMap(value)) {
    const empty = value === null || value === undefined;
    return { manifest: null, problems: usual && !empty ? [problem('SchemaViolation', at(document.contents?.range[0] ?? 0), 'the document is no manifest: it is not a map')] : [] };
  }
  const locate = (pointer: string, ofKey: boolean): Position => placeOf(file, document, composed.lines, pointer, ofKey);
  const apiVersion = value['apiVersion'];
  const kind = value['kind'];
  const known = KINDS.find((name) => name === kind);
  // One of our kinds without apiVersion was forgotten, not meant for somebody else; so was what only lacks the right one, or all of it where manifests are.
  const forgotten = apiVersion === undefined && (known !== undefined || (usual && kind === undefined));
  const ours = typeof apiVersion === 'string' && (apiVersion.toLowerCase().startsWith('tagboat') || (known !== undefined && VALIDATORS[known]({ ...value, apiVersion: API_VERSION })));
  if (!ours && !forgotten) return { manifest: null, problems: [] };

  const name = nameOf(value);
  const object = known === undefined || name === null ? undefined : `${known}/${name}`;
  const options = object === undefined ? {} : { object };
  const faulty = valueFaults.slice(0, 20).map((fault) => problem(fault.code, at(fault.offset), fault.message, options));
  // Where a key is only there twice, the rest of the document is worth looking at: all problems at once.
  if (valueFaults.some(({ code }) => code !== 'YamlDuplicateKey')) return { manifest: null, problems: faulty };
  if (typeof apiVersion === 'string' && apiVersion !== API_VERSION) {
    return { manifest: null, problems: [...faulty, problem('SchemaViolation', locate('/apiVersion', false), `this release reads ${API_VERSION} only`, { ...options, hint: `Write apiVersion: ${API_VERSION}.` })] };
  }
  if (known === undefined) {
    const near = typeof kind === 'string' ? didYouMean(kind, KINDS) : null;
    const message = typeof kind === 'string' ? `there is no kind ${kind.slice(0, 60)}` : 'the manifest needs a kind';
    return { manifest: null, problems: [...faulty, problem('UnknownKind', locate('/kind', false), message, near === null ? {} : { hint: `Did you mean ${near}?` })] };
  }
  const validate = VALIDATORS[known];
  if (!validate(value)) {
    return { manifest: null, problems: [...faulty, ...schemaProblems({ kind: known, object, locate }, (validate.errors ?? []).slice(0, 1000))] };
  }
  if (faulty.length > 0) return { manifest: null, problems: faulty };
  const found = locators(file, text, index);
  const { line, column } = locate('', false);
  // The validator of this kind has just proved the spec's type.
  return { manifest: Object.freeze({ kind: known, name: name as string, spec: value['spec'], file, line, column, ...found }) as AnyManifest, problems: [] };
}

function capped(file: string, problems: readonly Problem[]): readonly Problem[] {
  const limit = MANIFEST_LIMITS.problemsPerFile;
  if (problems.length <= limit) return problems;
  const last = problems[limit - 1] as Problem;
  return [...problems.slice(0, limit), problem('SchemaViolation', { file, line: last.line, column: last.column }, `the file has more than ${limit} problems; the rest is left out`, { hint: 'Mend these first.' })];
}

function claims(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = isUtf16(bytes) ? buffer.toString('latin1').replaceAll('\0', '') : buffer.toString('latin1');
  const content = text.replace(/^(?:ï»¿|ÿþ|þÿ)/, '');
  if (CLAIM.test(content)) return true;
  if (startsIndented(content)) return INDENTED_CLAIM.test(content);
  return KIND_CLAIM.test(content) && SPEC_LINE.test(content) && !SOME_API_VERSION.test(content);
}

/** Whether the first line that says something is indented. */
function startsIndented(text: string): boolean {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    const line = text.slice(start, end < 0 ? text.length : end);
    if (line.trim() !== '' && !/^\s*#|^(?:---|%)/.test(line)) return line.startsWith(' ');
    if (end < 0) return false;
    start = end + 1;
  }
  return false;
}

function isUtf16(bytes: Uint8Array): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(bytes.subarray(0, text.length)).toString('latin1') === text;
}

/** The parser's message without the text that it quotes, which may be a secret (R27). */
function syntaxMessage(message: string): string {
  const line = (message.split('\n')[0] ?? '').replace(/(\S): .*$/, '$1').replace(/^(Unknown directive|Invalid escape sequence|Unsupported YAML version).*$/, '$1').replace(/[.:]$/, '');
  return line === '' ? 'this is no YAML' : line.slice(0, 200);
}

function nameOf(value: Readonly<Record<string, unknown>>): string | null {
  const metadata = value['metadata'];
  const name = isMap(metadata) ? metadata['name'] : null;
  return typeof name === 'string' && name.length <= 63 ? name : null;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

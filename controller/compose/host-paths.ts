/** Paths of whoever runs compose, which no node has: what lies there becomes files, volumes or findings. */
import { posix } from 'node:path';
import type { Position } from '../model/problem.ts';
import { addFile, addVolume, clean, TEXT_LIMIT } from './container-files.ts';
import type { Draft, Whole } from './draft.ts';
import { reportFile } from './load.ts';
import { label } from './units.ts';
import { itemOf } from './values.ts';
import type { Placed } from './values.ts';

/** Files that a container keeps its data in. */
const DATA_FILE = /(^|\/)(acme\.json|[^/]+\.(db|sqlite3?))$/i;

/** A path in the home of whoever runs compose: `~/x`. */
export function ofHome(draft: Draft, source: Placed<string>, target: string, readOnly: boolean): void {
  const { value, at } = source;
  const elsewhere = (): void => draft.whole.findings.add('DirectoryOfNode', at, `${value} lies in the home of whoever runs compose, which no node has`);
  if (looksLikeFile(value)) return elsewhere();
  const key = posix.normalize(value).replace(/\/+$/, '');
  if (readOnly) return readsWhatOthersWrite(draft, at, key, target, elsewhere);
  becomesVolume(draft, at, key, value, target, false);
}

/** A path from the directory of the compose file: `./x`. */
export function relative(draft: Draft, source: Placed<string>, target: string, readOnly: boolean): void {
  const { jail, findings } = draft.whole;
  const { value, at } = source;
  const path = jail.inside(source.source.base, value);
  if (!readOnly && DATA_FILE.test(value)) {
    return findings.add('DirectoryOfNode', at, `${value} is data that the container writes`, 'Mount an absolute path of the node, or keep it in a directory of its own, which becomes a volume.');
  }
  const found = jail.look(path);
  if (found.kind === 'missing') {
    const missing = (): void => reportFile(findings, at, value, 'missing', '');
    if (looksLikeFile(value)) return missing();
    if (readOnly) return readsWhatOthersWrite(draft, at, path ?? '', target, missing);
    return becomesVolume(draft, at, path ?? '', value, target, false);
  }
  if (found.kind === 'file') {
    const copied = addFile(draft, at, value, clean(target), found.text, found.executable ? '0755' : undefined);
    if (copied) findings.add('FileCopied', at, `${value} was copied into the manifest${readOnly ? '' : '; what the container writes there goes with it'}`);
    return;
  }
  if (found.kind !== 'directory') return reportFile(findings, at, value, found.kind, found.kind === 'unreadable' ? found.why : '');
  directory(draft, source, found.path, target, readOnly);
}

function directory(draft: Draft, { value, at }: Placed<string>, path: string, target: string, readOnly: boolean): void {
  const { jail, findings } = draft.whole;
  const built = itemOf(draft.dict, 'build') !== undefined;
  if (built && (path === '.' || !readOnly)) return findings.add('DirectoryOfNode', at, `${value} is where the image is made from, which is for developing`, 'Build it into the image.');
  if (path === '.') return findings.add('DirectoryOfNode', at, `${value} is all that lies beside the compose file, that file included`, 'Keep in a directory of its own what the container needs.');
  const files = jail.list(path);
  if (files?.every((file) => /(^|\/)\.(gitkeep|gitignore|keep)$/.test(file)) === true) return becomesVolume(draft, at, path, value, target, readOnly);
  const texts = (files ?? []).map((file) => [file, jail.look(posix.join(path, file))] as const);
  const readable = texts.flatMap(([file, found]) => (found.kind === 'file' ? [[file, found.text, found.executable] as const] : []));
  const total = readable.reduce((sum, [, text]) => sum + text.length, 0);
  if (files === undefined || readable.length < texts.length || readable.length > 100 || total > TEXT_LIMIT) {
    const why = files === undefined || readable.length > 100 ? 'has many files' : readable.length < texts.length ? 'holds more than text' : 'is large';
    return findings.add('DirectoryOfNode', at, `${value} ${why}, so it was not copied into the manifest`);
  }
  const copied = readable.filter(([file, text, executable]) => addFile(draft, at, `${value}/${file}`, posix.join(clean(target), file), text, executable ? '0755' : undefined));
  if (copied.length > 0) findings.add(readOnly ? 'FileCopied' : 'Differs', at, `${copied.length} files of ${value} were copied into the manifest${readOnly ? '' : '; what the container writes there goes with it'}`);
}

/** @param key by which two services that name one directory share one volume. */
function becomesVolume(draft: Draft, at: Position, key: string, value: string, target: string, readOnly: boolean): void {
  const { volumes, directories, findings } = draft.whole;
  const name = volumes.of(`path:${key}`, label(posix.basename(key.replace(/^[.~/]+/, ''))) || 'data');
  if (!directories.has(key)) directories.set(key, { name, value, at });
  addVolume(draft, at, { name, path: clean(target), ...(readOnly && { readOnly }) });
  findings.add('BecameVolume', at, `${value} is a directory of whoever runs compose; it became the volume ${name}`);
}

/** Compose makes a directory that is missing; one that nobody else writes stays empty for ever, which nobody means. */
function readsWhatOthersWrite(draft: Draft, at: Position, key: string, target: string, otherwise: () => void): void {
  const { directories, later } = draft.whole;
  later.push(() => {
    const written = directories.get(key);
    if (written === undefined) otherwise();
    else addVolume(draft, at, { name: written.name, path: clean(target), readOnly: true });
  });
}

/** One directory in another is seen through both in compose; two volumes have nothing in common. */
export function noteNested({ directories, findings }: Whole): void {
  for (const [key, { value, at, name }] of directories) {
    const outer = [...directories].find(([other]) => key.startsWith(`${other === '.' ? '' : other}/`) || (other === '.' && key !== '.' && !key.startsWith('~')));
    if (outer !== undefined) findings.add('Differs', at, `${value} lies in ${outer[1].value}; the volumes ${name} and ${outer[1].name} have nothing in common`, 'Mount both by absolute paths of the node where they have to.');
  }
}

function looksLikeFile(path: string): boolean {
  if (/\.d\/*$/.test(path)) return false;
  // Caddyfile, Corefile, Procfile.
  if (/(^|\/)[A-Z][a-z]+file$/.test(path)) return true;
  return /[^./]\.[A-Za-z0-9]{1,10}$/.test(path) || /(^|\/)\.[a-z]+(rc|env|ignore|conf)?$/.test(path);
}

/** The one line of R4 for a Docker host: it fetches the install script, compares its digest, and only then runs it, with the word that lets one agent in. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';

/** Seconds. */
const PATIENCE = 60;

/** What `/install.sh` answers: no secret is in it. Without a line break at its end, as a shell's `$(…)` reads it. */
export function installScript(image: string): string {
  return readFileSync(join(packageRoot(), 'agents', 'install.sh'), 'utf8').replace(/^image='tagboat'$/m, () => `image=${quoted(image)}`).trimEnd();
}

/**
 * For sh, bash and zsh, with curl or wget. The digest is in the line, which came by a trusted way, so a script from a controller without HTTPS, or from somebody in
 * between, is not run unless it is that text. The word goes through the pipe, ahead of the script: it is in no process's arguments. Flags of
 * the script may follow the line.
 */
export function installLine({ publicUrl, script, join: word }: { readonly publicUrl: string; readonly script: string; readonly join: string }): string {
  const digest = createHash('sha256').update(script).digest('hex');
  const fetched = `s=$(command -v curl >/dev/null && exec curl -fsSLm ${PATIENCE} "$u" || exec wget -qO- "$u")`; // busybox 1.35 dies of -T
  const compared = `printf %s "$s" | sha256sum | grep -q ^${digest}`;
  const refused = `printf '%s\\n' "echo 'tagboat: $u does not give the script of this line; nothing was run' >&2; exit 3"`;
  return `{ u=${quoted(`${publicUrl}/install.sh`)}; ${fetched}; ${compared} && printf '%s\\n' TAGBOAT_JOIN=${word} "$s" || ${refused}; } | sh -s --`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The same image with that tag: `registry:5000/tagboat:0.1.0@sha256:…` and 0.2.0 are `registry:5000/tagboat:0.2.0`. */
export function imageOfVersion(image: string, version: string): string {
  return `${image.replace(/@.*$/, '').replace(/:[^:/]*$/, '')}:${version}`;
}

/** The two things that a host is told, each in a way that says nothing twice whatever happened the time before. */
import type { CommitStatus, ForgeClient } from './forge.ts';
import { forgeErrorOf } from './forge-fetch.ts';

/** `unsure`: the same may have been said by a call whose answer nobody saw. */
export async function tellStatus(forge: ForgeClient, status: CommitStatus, unsure: boolean): Promise<void> {
  const cut = { ...status, description: shorten(status.description, forge.limits.description) };
  if (unsure && (await forge.hasStatus(cut))) return;
  await forge.setStatus(cut);
}

export interface CommentToTell {
  readonly request: number;
  /** Unique among all that Tagboat says at this host; found again by it. */
  readonly marker: string;
  readonly body: string;
  /** The comment that this was told in before, as far as that is known. */
  readonly known: string | null;
}

/** Updates the one comment, or makes it; gives its id. A comment of somebody else that holds the marker is left alone. */
export async function tellComment(forge: ForgeClient, { request, marker, body, known }: CommentToTell): Promise<string> {
  const mark = forge.hidden(marker);
  const text = `${cutLines(body.trimEnd(), forge.limits.comment - mark.length - 200)}\n\n${mark}\n`;
  if (known !== null && (await update(forge, request, known, text))) return known;
  const me = await forge.me();
  for (let page = 1; ; page++) {
    const found = await forge.comments(request, page);
    if (found === null) break;
    for (const comment of found) {
      if (!comment.body.includes(mark) || (me !== null && comment.author !== null && comment.author !== me)) continue;
      if (comment.body.trimEnd() === text.trimEnd() || (await update(forge, request, comment.id, text))) return comment.id;
    }
  }
  return forge.createComment(request, text);
}

/** False: it is gone, or not ours to change. */
async function update(forge: ForgeClient, request: number, id: string, body: string): Promise<boolean> {
  try {
    await forge.updateComment(request, id, body);
    return true;
  } catch (error) {
    const refused = forgeErrorOf(error);
    if ((refused.status === 403 || refused.status === 404 || refused.status === 410) && refused.pauseMs === null) return false;
    throw refused;
  }
}

function shorten(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}

function cutLines(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const end = text.lastIndexOf('\n', longest);
  return `${text.slice(0, end <= 0 ? longest : end)}\n\nThis is not all; the rest is on the review's page.`;
}

/** Whether a commit may be read, by the policy of its team: the commit itself carries the proof, not each of its ancestors. */
import type { ObjectSource, Person } from '../git/objects.ts';
import { parseCommit, parseTag } from '../git/objects.ts';
import { signedCommit, signedTag } from '../git/signatures/signed-object.ts';
import { signerOf } from '../git/signatures/signer.ts';
import type { Trust } from '../model/trust.ts';

/** Beyond it nobody wrote a message by hand; hashing is bounded by it. */
const MAX_OBJECT_BYTES = 1_048_576;
const LONGEST_NAME = 100;

export interface Refusal {
  /** Begins with the commit. */
  readonly message: string;
  readonly hint: string;
  /** The switch that says no, the first of them. */
  readonly policy: 'requireSignedCommits' | 'requireKnownAuthors';
}

/** An annotated tag that a version is read at; `name` is what its ref is called. */
export interface SignedTag {
  readonly oid: string;
  readonly name: string;
}

/**
 * Undefined for a commit that may be read. A tag's own signature counts for the commit that it names, if it was made for this name: else a tag of
 * one version would do for another one.
 */
export async function refusalOf(source: ObjectSource, commit: string, { requireSignedCommits, requireKnownAuthors, members }: Trust, tag?: SignedTag, now = new Date()): Promise<Refusal | undefined> {
  if (!requireSignedCommits && !requireKnownAuthors) return undefined;
  const { bytes } = await source.object(commit);
  const name = `commit ${commit.slice(0, 12)}`;
  if (bytes.length > MAX_OBJECT_BYTES) return { message: `${name} is too large to be judged`, hint: 'Write a shorter message.', policy: requireSignedCommits ? 'requireSignedCommits' : 'requireKnownAuthors' };
  const { author } = parseCommit(commit, bytes);
  const said = nameOf(author);
  if (requireSignedCommits) {
    const signer = await signerOf(signedCommit(bytes), members, now);
    const tagger = 'why' in signer && tag !== undefined ? await tagSigner(source, tag, members, now) : undefined;
    if ('why' in signer && (tagger === undefined || 'why' in tagger)) {
      const also = tagger === undefined || tagger.why === 'is not signed' ? '' : `, and its tag ${tagger.why}`;
      return { message: `${name} of ${said} ${signer.why}${also} (requireSignedCommits)`, hint: 'Sign it with a key that a member lists and push again, or let a member commit on top, signed.', policy: 'requireSignedCommits' };
    }
  }
  if (requireKnownAuthors && !members.some(({ email }) => email.toLowerCase() === author.email.toLowerCase())) {
    return { message: `${name} is written by ${said}, who is no member (requireKnownAuthors)`, hint: 'Let a member commit on top, or push it again with the address of a member as its author.', policy: 'requireKnownAuthors' };
  }
  return undefined;
}

async function tagSigner(source: ObjectSource, { oid, name }: SignedTag, members: Trust['members'], now: Date): ReturnType<typeof signerOf> {
  const { bytes } = await source.object(oid);
  if (bytes.length > MAX_OBJECT_BYTES) return { why: 'is too large to be judged' };
  const signer = await signerOf(signedTag(bytes), members, now);
  return 'why' in signer || parseTag(bytes).name === name ? signer : { why: 'was signed under another name' };
}

/** As the commit has it, which anybody may have written: for people to read, nothing more. */
function nameOf({ name, email }: Person): string {
  return `${name} <${email}>`.replaceAll(/[\p{C}\s]+/gu, ' ').slice(0, LONGEST_NAME);
}

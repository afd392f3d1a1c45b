/**
 * A problem: something in a team's repository that a person has to mend (SPEC §2, last paragraph).
 * Problems are data, not exceptions: all of them are collected and reported at once.
 */
export interface Problem {
  /** Stable, PascalCase, one of `PROBLEM_CODES` (for example `UnknownReference`). */
  readonly code: ProblemCode;
  /** `error` freezes the targets that depend on the place; `warning` freezes nothing. */
  readonly severity: 'error' | 'warning';
  /** Path inside the repository, with `/`; empty when the problem is the repository itself. */
  readonly file: string;
  /** 1-based; 1 for a file as a whole, 0 when there is no file (a tag, the repository). */
  readonly line: number;
  /** 1-based; 0 when there is no line. */
  readonly column: number;
  /** What is wrong, one sentence without a full stop at its end. Never a secret (R27). */
  readonly message: string;
  /** What to do next. */
  readonly hint: string;
  /** The object at fault where it is known, as `Kind/name`. */
  readonly object?: string;
}

/**
 * Every problem code with its default hint. One table, so that the reference page, the
 * tests and the code cannot drift apart.
 */
const PROBLEM_CODES = {
  RepositoryUnreachable: 'Check the URL, the credentials and the network; polling goes on with back-off.',
  BranchMissing: 'Push the branch, or correct `branch` in the controller configuration. Nothing is removed meanwhile.',
  RepositoryEmpty: 'Commit at least one manifest. An empty repository removes nothing (R20).',
  TooManyFiles: 'Keep manifests in a sub-directory and set `directory` in the controller configuration.',
  FileTooLarge: 'Split the document; manifests over the size limit are not read.',
  NotUtf8: 'Save the file as UTF-8.',
  SymlinkIgnored: 'Replace the link by the file; links are never followed.',
  SubmoduleIgnored: 'Move the manifests into this repository; submodules are not read.',
  LfsPointer: 'Commit the manifest itself; Git LFS objects are not fetched.',
  UnsafePath: 'Rename the file; names with `..` or control characters are not read.',
  YamlSyntax: 'Correct the YAML at this place.',
  YamlAlias: 'Write the value out; anchors and aliases are not accepted in manifests.',
  YamlDuplicateKey: 'Remove one of the two keys.',
  YamlTooDeep: 'Flatten the document.',
  YamlTooManyDocuments: 'Split the file.',
  UnknownKind: 'Use one of Team, Node, Registry, Product, Version, ConfigBundle, Deployment, Notification.',
  SchemaViolation: 'See the schema of this kind for the allowed keys and values.',
  DuplicateName: 'Names are unique per kind in a team; rename one of the two.',
  CommitRefused: 'Sign it with a key that a member lists and push again, or let a member commit on top.',
  NobodyCanSign: 'List the keys of those who sign first (spec.members[].keys), and turn the switch on with them or later.',
  NobodyIsKnown: 'List those who write commits first (spec.members[].email), and turn the switch on with them or later.',
  SigningKeyInvalid: 'Paste the line of the .pub file, or what `gpg --export --armor` prints.',
  TeamMismatch: 'Name the Team manifest like the team in the controller configuration; sealed values carry its name.',
  UnknownReference: 'Correct the name, or add the manifest it refers to.',
  DependencyCycle: 'Break the circle; dependsOn must lead somewhere.',
  RouteTaken: 'A domain and path of a node lead to one image; use another domain or path, or another node.',
  PortTaken: 'A port of a node belongs to one container; publish another one, on another address (`ports[].address`) or on another node.',
  TargetTaken: 'A target (node + prefix) has one owner (R10); use another prefix or node.',
  BundleConflict: 'Two bundles of one layer set this key differently; set it in a stronger layer, or in one of them only.',
  ImageReference: 'Write [host[:port]/]path[:tag][@sha256:…], lower case.',
  RecipientInvalid: 'Copy the key again from the page of the node.',
  ValueMeaningless: 'Give a value that means something, or leave it out.',
  FieldNotSupported: 'Remove the field, or deploy to a node of the other type.',
  PortConflict: 'Two containers of this target publish the same host port.',
  StrategyImpossible: 'Use strategy `recreate` or `auto`.',
  TagNotSemver: 'Tag as <product>/1.2.3 (a leading v is allowed).',
  TagOfSimpleProduct: 'A simple product has one rolling version (R5); delete the tag or make the product complex.',
  TagMoved: 'The version is frozen since its first success (R8); tag the new commit with a new number.',
  UnknownVersion: 'Push the tag, or name a version that exists.',
  BranchNotWatched: 'Add the branch to `rolling.branches` of the product.',
  VersionUnreadable: 'Mend the version manifest at that commit, or name another version.',
  SourceNotAllowed: 'Ask the operator to allow it: `sources` of the team or `allowedSources` in the controller configuration.',
  SourceUnreachable: 'Check the URL, the credentials and the network; it is tried again with back-off. What runs stays as it is.',
  SourceNotRead: 'The controller reads it; its versions are not checked here.',
  SimpleProductVersion: 'A simple product is deployed from the team\'s branch; leave out `version` and `branch`.',
  HealingFight: 'Something else changes this container; stop it, or set selfHeal: false.',
  MergeConflict: 'Bring the request up to date with the branch; then it is planned as it will be merged.',
  RequestUnreadable: 'Push the request again, smaller if it is too large; the team itself is not affected.',
  RegistryMismatch: 'Credentials go only to the host that they were configured for (R1): name the registry of that host, or correct its url.',
  SealedInvalid: 'Paste the whole block that `tagboat seal` prints.',
  SecretNotSealed: 'Seal the value for this node, too: tagboat seal --node NAME, and add its line to `sealed`.',
  SecretUnopenable: "Seal the value again to the node's present key (its page shows it). The agent keeps every key that it has made.",
  NodeRevoked: 'Enrol the node again, or remove its deployments.',
} as const satisfies Record<string, string>;

export type ProblemCode = keyof typeof PROBLEM_CODES;

/** A place in a file, 1-based; `{line: 0, column: 0}` when there is none. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Builds a problem; the hint defaults to the table's. */
export function problem(
  code: ProblemCode,
  at: Position,
  message: string,
  options: { hint?: string; severity?: 'error' | 'warning'; object?: string } = {},
): Problem {
  return Object.freeze({
    code,
    severity: options.severity ?? 'error',
    file: at.file,
    line: at.line,
    column: at.column,
    message,
    hint: options.hint ?? PROBLEM_CODES[code],
    ...(options.object === undefined ? {} : { object: options.object }),
  });
}

/** Order for people: by file, line, column, then code. Pure, total. */
export function compareProblems(a: Problem, b: Problem): number {
  return (
    compareText(a.file, b.file) || a.line - b.line || a.column - b.column || compareText(a.code, b.code) || compareText(a.message, b.message)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

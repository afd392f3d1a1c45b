/** What a repository may demand of the controller. Beyond it there is a problem, never a crash (SPEC §2). */
export const MANIFEST_LIMITS = {
  /** Bytes of one manifest file. */
  fileBytes: 1024 * 1024,
  /** Nested maps and lists in one document; manifests need about ten. */
  depth: 64,
  documentsPerFile: 1000,
  /** Lexical units of one file; a dense megabyte of manifests has 200,000. */
  wordsPerFile: 300_000,
  /** Entries of one list or map; the schemas allow fewer nearly everywhere. */
  entries: 10_000,
  /** Manifest files (`*.yaml`, `*.yml`) of one team. */
  files: 100_000,
  /** Problems reported for one file; the rest is counted. */
  problemsPerFile: 100,
  /** Longest path that is read. */
  pathLength: 1024,
} as const;

/**
 * The seam between the Git protocol and the wire. A transport carries one exchange with `git-upload-pack`; it knows
 * addresses, credentials, deadlines and byte caps, and nothing of refs or packs. A further scheme is one more file and
 * one more line in `open-transport.ts`.
 */

export interface Exchange {
  /** The request of upload-pack; without one, its advertisement is asked for. */
  readonly body?: Uint8Array;
  /** Version of the Git protocol: 0 is the classic one. */
  readonly version: 0 | 2;
  readonly signal: AbortSignal;
  /** RemoteTooLarge beyond it. */
  readonly maxBytes: number;
}

/** The bytes of the answer as they come. Errors are typed (RemoteError) and free of secrets. */
export type Transport = (exchange: Exchange) => AsyncIterable<Uint8Array>;

/** One request to a remote as counted for `git_requests_total`. `ms` is wall-clock time, `bytes` what was received. */
export interface RequestRecord {
  readonly remote: string;
  readonly kind: 'list' | 'fetch';
  readonly ms: number;
  readonly bytes: number;
  readonly ok: boolean;
}

export type OnRequest = (record: RequestRecord) => void;

/** The other thread: indexes packs with isomorphic-git, one message at a time. Only `index-pack.ts` starts it. */
import * as fs from 'node:fs';
import path from 'node:path';
import { parentPort } from 'node:worker_threads';
import { indexPack } from 'isomorphic-git';

export interface IndexRequest {
  readonly id: number;
  /** Absolute path of the pack; the index is written beside it. */
  readonly file: string;
}

export interface IndexReply {
  readonly id: number;
  /** How many objects of the pack could be read. */
  readonly objects?: number;
  readonly error?: string;
}

async function index(file: string): Promise<number> {
  const directory = path.dirname(file);
  const { oids } = await indexPack({ fs, dir: directory, gitdir: directory, filepath: path.basename(file) });
  return oids.length;
}

parentPort?.on('message', ({ id, file }: IndexRequest) => {
  index(file).then(
    (objects) => parentPort?.postMessage({ id, objects } satisfies IndexReply),
    (error: unknown) => parentPort?.postMessage({ id, error: error instanceof Error ? error.message : String(error) } satisfies IndexReply),
  );
});

/**
 * Indexing of packs, off the main thread: it inflates every object in JavaScript (stalls of 115 ms for 10,000 files and
 * growing with them, 3 s for one file of 300 MB, measured), and leases and streams must not wait for that. One worker
 * per process, started when it is first needed; it keeps no process alive.
 */
import { Worker } from 'node:worker_threads';
import type { IndexReply, IndexRequest } from './index-worker.ts';

const DEADLINE_MS = 600_000;

interface Waiting {
  readonly resolve: (objects: number) => void;
  readonly reject: (error: Error) => void;
}

let worker: Worker | undefined;
let lastId = 0;
const waiting = new Map<number, Waiting>();

/** Writes the index beside `file`; gives how many of its objects could be read. */
export async function indexPackOff(file: string): Promise<number> {
  const current = (worker ??= start());
  lastId += 1;
  const id = lastId;
  const timer = setTimeout(() => void current.terminate(), DEADLINE_MS);
  current.ref();
  try {
    return await new Promise<number>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      current.postMessage({ id, file } satisfies IndexRequest);
    });
  } finally {
    clearTimeout(timer);
    waiting.delete(id);
    if (waiting.size === 0) current.unref();
  }
}

function start(): Worker {
  const started = open();
  started.on('message', ({ id, objects, error }: IndexReply) => {
    const one = waiting.get(id);
    if (objects === undefined) one?.reject(new Error(error ?? 'the pack could not be indexed'));
    else one?.resolve(objects);
  });
  const end = (error: Error): void => {
    if (worker === started) worker = undefined;
    for (const one of waiting.values()) one.reject(error);
  };
  started.on('error', end);
  started.on('exit', () => end(new Error('the indexing thread ended')));
  return started;
}

/** TypeScript in development, where Node 20 gives a worker no loader of its own; JavaScript in the package. */
function open(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./index-worker.js', import.meta.url));
  const [loader, entry] = [import.meta.resolve('tsx/esm/api'), new URL('./index-worker.ts', import.meta.url).href];
  return new Worker(`import(${JSON.stringify(loader)}).then(({ register }) => { register(); return import(${JSON.stringify(entry)}); })`, { eval: true });
}

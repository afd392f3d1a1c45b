/** Deadlines of single engine calls. Calls that change something are never aborted by a cancel: half a create cannot be judged. */
const LOOK_MS = 30_000;
const CHANGE_MS = 60_000;

export function look(): AbortSignal {
  return AbortSignal.timeout(LOOK_MS);
}

/** @param extraMs what the call itself is told to wait for, such as a stop grace. */
export function change(extraMs = 0): AbortSignal {
  return AbortSignal.timeout(CHANGE_MS + extraMs);
}

/** Runs a service until SIGINT or SIGTERM; a second signal does not wait. */
export function untilSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      controller.abort();
      process.once(name, () => process.exit(130));
    });
  }
  return controller.signal;
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/**
 * After a clean stop: ends the process if something foreign still holds it. grpc-js leaves a connection open that was accepted and
 * had not begun its TLS handshake when the server was shut down; nothing of ours waits for it.
 */
export function exitSoon(): void {
  setTimeout(() => process.exit(), 1_000).unref();
}

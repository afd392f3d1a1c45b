/** A TCP line that can be cut: between an agent and the controller, or a controller and its database. */
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** `up`: from who dials (the agent) to the controller; `down`: back. */
export type Direction = 'up' | 'down';

export interface FaultProxy {
  readonly port: number;
  /** Ends every connection and refuses new ones until `mend`. */
  cut(): void;
  mend(): void;
  /** Lets nothing more through in one direction, open connections included, which stay up; until `mend` or `cut`. */
  hold(direction: Direction): void;
  /** New connections go to another port; open ones stay. */
  point(targetPort: number): void;
  close(): Promise<void>;
}

export async function faultProxy(firstTarget: number): Promise<FaultProxy> {
  const open = new Set<Socket>();
  const lines = new Set<{ readonly client: Socket; readonly target: Socket }>();
  let isCut = false;
  let targetPort = firstTarget;
  const server = createServer((client) => {
    if (isCut) return void client.destroy();
    const target = connect(targetPort, '127.0.0.1');
    for (const [from, to] of [[client, target], [target, client]] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
    client.pipe(target).pipe(client);
    const line = { client, target };
    lines.add(line);
    client.on('close', () => lines.delete(line));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const destroyAll = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      isCut = true;
      destroyAll();
    },
    mend: () => {
      isCut = false;
      for (const { client, target } of lines) client.pipe(target).pipe(client);
    },
    hold: (direction) => {
      for (const { client, target } of lines) {
        if (direction === 'up') client.unpipe(target).pause();
        else target.unpipe(client).pause();
      }
    },
    point: (port) => void (targetPort = port),
    close: async () => {
      destroyAll();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

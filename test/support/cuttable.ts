import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to a server that can be cut: connections break and no new ones are taken, as when it is killed. */
export async function cuttable(target: URL) {
  const sockets = new Set<Socket>();
  const take = (client: Socket) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket
        .on('error', () => other.destroy())
        .on('close', () => {
          sockets.delete(socket);
          other.destroy();
        })
        .pipe(other);
    }
  };
  const listen = (port: number) => {
    const listening = createServer(take);
    return new Promise<typeof listening>((resolve) =>
      listening.listen(port, '127.0.0.1', () => resolve(listening)),
    );
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  const cut = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return {
    url: Object.assign(new URL(target), { hostname: '127.0.0.1', port: String(port) }),
    cut,
    mend: async () => {
      server = await listen(port);
    },
    close: cut,
  };
}

import { connect, createServer } from 'node:net';

export interface PortWish {
  /** The setting that fixes this port. */
  setting: string;
  /** What the setting says; 0 takes any free port. */
  explicit?: number;
  /** Where to look first without the setting; 0 takes any free port. */
  preferred: number;
}
export interface ChosenPort {
  port: number;
  /** The default that was in use, when the port had to move on. */
  movedFrom?: number;
}

const TRIES = 200;

/**
 * A port for each wish, all different. A preferred port in use moves on to the next free one; an explicit one fails
 * with a sentence that names its setting.
 */
export async function choosePorts<Name extends string>(
  wishes: Record<Name, PortWish>,
  isFree: (port: number) => Promise<boolean> = isPortFree,
): Promise<Record<Name, ChosenPort>> {
  const names = Object.keys(wishes) as Name[];
  const taken = new Set<number>();
  const chosen: Partial<Record<Name, ChosenPort>> = {};
  const isFixed = (name: Name) => wishes[name].explicit !== undefined;
  // Fixed ports first, so that none that moves on settles on one of them.
  for (const name of [...names.filter(isFixed), ...names.filter((other) => !isFixed(other))]) {
    const { setting, explicit, preferred } = wishes[name];
    const choice =
      (explicit ?? preferred) === 0
        ? { port: await ephemeralPort(taken) }
        : explicit === undefined
          ? await nextFree(preferred, taken, isFree)
          : await fixed(setting, explicit, taken, isFree);
    taken.add(choice.port);
    chosen[name] = choice;
  }
  return chosen as Record<Name, ChosenPort>;
}

async function fixed(
  setting: string,
  port: number,
  taken: Set<number>,
  isFree: (port: number) => Promise<boolean>,
): Promise<ChosenPort> {
  if (!taken.has(port) && (await isFree(port))) return { port };
  throw new Error(
    `${setting}: port ${port} is in use; stop what uses it, set another port, or leave ${setting} out.`,
  );
}

async function nextFree(
  preferred: number,
  taken: Set<number>,
  isFree: (port: number) => Promise<boolean>,
): Promise<ChosenPort> {
  for (let port = preferred; port < Math.min(preferred + TRIES, 65_536); port += 1) {
    if (taken.has(port) || !(await isFree(port))) continue;
    return port === preferred ? { port } : { port, movedFrom: preferred };
  }
  throw new Error(`No free port from ${preferred} to ${preferred + TRIES - 1}.`);
}

async function ephemeralPort(taken: Set<number>): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (!taken.has(port)) return port;
  }
}

/** Nobody listens on it, on loopback or on all addresses, and we could. */
async function isPortFree(port: number): Promise<boolean> {
  // On macOS one may listen on 127.0.0.1 although another has the port on all addresses: so ask first.
  return !(await answers(port)) && (await listenOnce(port)) !== undefined;
}

/** Any port that is free now, on loopback. */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === undefined) throw new Error('The system has no free port on 127.0.0.1.');
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1_000 });
    const end = (isInUse: boolean) => {
      socket.destroy();
      resolve(isInUse);
    };
    socket.on('connect', () => end(true));
    socket.on('timeout', () => end(true));
    socket.on('error', () => end(false));
  });
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(undefined));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address();
      const got = typeof address === 'object' ? address?.port : undefined;
      server.close(() => resolve(got));
    });
  });
}

import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';

const CONNECT_TIMEOUT_MS = 10_000;
const OPTIONS = {
  keepAlive: true,
  maxSockets: 100,
  maxFreeSockets: 20,
  // Idle time. Short: a request on a connection that the server is just closing has an unknown outcome.
  timeout: 15_000,
};

/**
 * A keep-alive agent that hands out connections only when they are established, TLS included. Node's own hands them
 * out while they connect and writes the request by itself later, when nobody can stop it any more.
 */
export function createConnectedAgent(protocol: 'http:' | 'https:'): http.Agent {
  const isTls = protocol === 'https:';
  const agent = isTls ? new https.Agent(OPTIONS) : new http.Agent(OPTIONS);
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = connect(options);
    if (socket && callback) handOver(socket, isTls ? 'secureConnect' : 'connect', callback);
    return undefined;
  };
  return agent;
}

/** Ends what is idle; what is busy goes idle later and then ends by its time-out. */
export function closeIdleConnections(agent: http.Agent): void {
  for (const sockets of Object.values(agent.freeSockets))
    for (const socket of sockets ?? []) socket.destroy();
}

function handOver(
  socket: Duplex,
  whenReady: 'connect' | 'secureConnect',
  callback: (error: Error | null, socket: Duplex) => void,
): void {
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error('connect time-out'), { code: 'ETIMEDOUT' }));
  }, CONNECT_TIMEOUT_MS);
  const onFailure = (error: Error) => {
    clearTimeout(timer);
    callback(error, socket);
  };
  socket.once('error', onFailure);
  socket.once(whenReady, () => {
    clearTimeout(timer);
    socket.off('error', onFailure);
    callback(null, socket);
  });
}

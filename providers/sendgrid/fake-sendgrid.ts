import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

interface SeenRequest {
  method: string;
  url: string;
  headers: http.IncomingHttpHeaders;
  body: string;
}

export type Answer = (response: http.ServerResponse, request: SeenRequest) => void;

export interface FakeSendGrid {
  baseUrl: string;
  port: number;
  /** Requests that arrived whole, in order. */
  requests: SeenRequest[];
  connections: number;
  answer: Answer;
  close: () => Promise<void>;
}

/** An HTTP server in SendGrid's place; `answer` may be changed between requests. */
export async function startFakeSendGrid(answer: Answer = accept): Promise<FakeSendGrid> {
  const server = http.createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('error', () => undefined);
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming;
      const request = { method, url, headers, body: Buffer.concat(chunks).toString() };
      fake.requests.push(request);
      fake.answer(response, request);
    });
  });
  server.on('connection', () => (fake.connections += 1));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const fake: FakeSendGrid = {
    baseUrl: `http://127.0.0.1:${port}`,
    port,
    requests: [],
    connections: 0,
    answer,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return fake;
}

export const accept: Answer = (response) => {
  response.writeHead(202, { 'X-Message-Id': '14c5d75ce93dfd64b469' }).end();
};

/** SendGrid's error body: one entry per message, with the field it is about. */
export function refuse(
  status: number,
  message: string,
  field: string | null = null,
  headers: Record<string, string> = {},
): Answer {
  return (response) => {
    response
      .writeHead(status, { 'Content-Type': 'application/json', ...headers })
      .end(JSON.stringify({ errors: [{ message, field, help: null }] }));
  };
}

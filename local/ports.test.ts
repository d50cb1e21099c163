import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { choosePorts, freePort } from './ports.ts';

const isFree =
  (...used: number[]) =>
  (port: number) =>
    Promise.resolve(!used.includes(port));

describe('ports', () => {
  it('takes the default when it is free', async () => {
    const wishes = { api: { setting: 'API_PORT', preferred: 3000 } };
    assert.deepEqual(await choosePorts(wishes, isFree()), { api: { port: 3000 } });
  });

  it('moves a default that is in use to the next free port, and says so', async () => {
    const wishes = {
      api: { setting: 'API_PORT', preferred: 3000 },
      worker: { setting: 'WORKER_PORT', preferred: 3001 },
    };
    assert.deepEqual(await choosePorts(wishes, isFree(3000)), {
      api: { port: 3001, movedFrom: 3000 },
      worker: { port: 3002, movedFrom: 3001 },
    });
  });

  it('does not move a default onto a port that a setting asks for', async () => {
    const wishes = {
      api: { setting: 'API_PORT', preferred: 3000 },
      worker: { setting: 'WORKER_PORT', explicit: 3001, preferred: 3001 },
    };
    const { api, worker } = await choosePorts(wishes, isFree(3000));
    assert.deepEqual([api.port, worker.port], [3002, 3001]);
  });

  it('refuses an explicit port in use, naming the setting', async () => {
    const wishes = { api: { setting: 'API_PORT', explicit: 3100, preferred: 3000 } };
    await assert.rejects(
      choosePorts(wishes, isFree(3100)),
      /^Error: API_PORT: port 3100 is in use/,
    );
  });

  it('refuses two settings with one port', async () => {
    const wishes = {
      api: { setting: 'API_PORT', explicit: 3100, preferred: 3000 },
      worker: { setting: 'WORKER_PORT', explicit: 3100, preferred: 3001 },
    };
    await assert.rejects(choosePorts(wishes, isFree()), /WORKER_PORT/);
  });

  it('sees who listens on loopback and who listens everywhere', async () => {
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      const server = createServer();
      const used = await freePort();
      await new Promise<void>((resolve) => server.listen(used, host, resolve));
      try {
        const { api } = await choosePorts({ api: { setting: 'API_PORT', preferred: used } });
        assert.notEqual(api.port, used, host);
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    }
  });
});

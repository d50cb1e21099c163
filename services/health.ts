import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Platform } from './platform.ts';

export interface PartHealth {
  ok: boolean;
  /** Whether requests cannot be served without it. */
  required: boolean;
  ms: number;
  /** Why not. */
  detail?: string;
}
export interface Health {
  ok: boolean;
  parts: Record<string, PartHealth>;
}

const WITHIN_MS = 1_000;

/**
 * Looks at every part that the platform stands on. Messages are accepted while Temporal or ClickHouse is away, so
 * neither makes the whole unhealthy.
 */
export async function getHealth(platform: Platform): Promise<Health> {
  const parts = {
    postgresApp: look(true, () => platform.app.isHealthy()),
    postgresRelay: look(true, () => platform.relay.isHealthy()),
    renderer: look(true, () => canRender(platform)),
    temporal: look(false, () => canReachTemporal(platform)),
    clickhouse: look(false, () => canReachClickHouse(platform)),
  };
  const entries = await Promise.all(
    Object.entries(parts).map(async ([name, part]): Promise<[string, PartHealth]> => [
      name,
      await part,
    ]),
  );
  return {
    ok: entries.every(([, { ok, required }]) => ok || !required),
    parts: Object.fromEntries(entries),
  };
}

async function look(required: boolean, ask: () => Promise<boolean>): Promise<PartHealth> {
  const from = performance.now();
  const impatience = new AbortController();
  const tooLate = sleep(WITHIN_MS, 'no answer in time', { signal: impatience.signal }).catch(
    () => 'no answer',
  );
  const answer = ask().then(
    (isHealthy) => (isHealthy ? undefined : 'not healthy'),
    () => 'not reachable', // the error names hosts and users
  );
  const detail = await Promise.race([answer, tooLate]);
  impatience.abort();
  const ms = Math.round(performance.now() - from);
  return { ok: detail === undefined, required, ms, ...(detail !== undefined && { detail }) };
}

async function canRender({ renderer }: Platform): Promise<boolean> {
  const rendered = await renderer.render({
    cacheKey: 'health',
    parts: { subject: '{{ word }}' },
    variables: { word: 'ready' },
  });
  return rendered.ok && rendered.parts.subject === 'ready';
}

/** Whether somebody listens: a call of the SDK is retried also when nobody waits for it any more. */
async function canReachTemporal({ settings }: Platform): Promise<boolean> {
  const { hostname, port } = new URL(`tcp://${settings.TEMPORAL_ADDRESS}`);
  const socket = connect({ host: hostname, port: Number(port || 7233), timeout: WITHIN_MS });
  try {
    await once(
      socket.on('timeout', () => socket.destroy(new Error('no answer'))),
      'connect',
    );
    return true;
  } finally {
    socket.destroy();
  }
}

async function canReachClickHouse({ settings }: Platform): Promise<boolean> {
  const response = await fetch(new URL('/ping', withoutPassword(settings.CLICKHOUSE_URL)), {
    signal: AbortSignal.timeout(WITHIN_MS),
  });
  await response.body?.cancel();
  return response.ok;
}

/** /ping needs no user, and fetch refuses one in the URL. */
function withoutPassword(url: string): URL {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return bare;
}

import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { PlatformError } from '../domain/platform-error.ts';
import { query } from '../runtime/database.ts';
import type { ServiceContext } from './context.ts';

export interface IdempotentCall {
  operation: string;
  key: string;
  body: unknown;
}

/** How long a rival waits for the first call to be decided. */
const RIVAL_WAITS_MS = 2_000;
const KEEP_MS = 72 * 3_600_000;
/** For messages the key lives as long as the message. */
const KEEP_FOR_EVER = new Date('9999-12-31T00:00:00Z');

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).map(([key, part]): [string, unknown] => [
      key,
      canonical(part),
    ]);
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  return value;
}

/** The same for two bodies that parse to the same JSON, whatever their spacing and order of keys. */
export function hashBody(body: unknown): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(canonical(body ?? null)))
    .digest();
}

/** The stored answer of an earlier call under this key; undefined where there is none. */
export async function findReplay(
  em: EntityManager,
  ctx: ServiceContext,
  call: IdempotentCall,
): Promise<{ result: unknown } | undefined> {
  const [row] = await query<{ body_hash: Buffer; response_enc: Buffer }>(
    em,
    `SELECT body_hash, response_enc FROM idempotency_keys
      WHERE tenant_id = $1 AND mode = $2 AND operation = $3 AND key = $4 AND keep_until > now()`,
    [ctx.tenant.id, ctx.mode, call.operation, call.key],
  );
  if (!row) return undefined;
  if (!row.body_hash.equals(hashBody(call.body)))
    throw new PlatformError(
      'idempotency_mismatch',
      'This Idempotency-Key was used with another body. Use a new key for a new request.',
    );
  return { result: ctx.tenant.vault.openJson('idempotent_response', row.response_enc) };
}

/**
 * Runs `work` and stores its result in the same transaction, or answers with what is stored. Two calls under one key
 * queue on an advisory lock; a process that dies lets go of it, and nothing was decided.
 */
export async function decideOnce<T>(
  em: EntityManager,
  ctx: ServiceContext,
  call: IdempotentCall,
  work: (em: EntityManager) => Promise<T>,
): Promise<T> {
  await lockKey(em, ctx, call);
  const replay = await findReplay(em, ctx, call);
  if (replay) {
    ctx.replayed = true;
    return replay.result as T;
  }
  // A key that is no longer kept is free again.
  await query(
    em,
    `DELETE FROM idempotency_keys
      WHERE tenant_id = $1 AND mode = $2 AND operation = $3 AND key = $4 AND keep_until <= now()`,
    [ctx.tenant.id, ctx.mode, call.operation, call.key],
  );
  const result = await work(em);
  await query(
    em,
    `INSERT INTO idempotency_keys (tenant_id, mode, operation, key, body_hash, status, response_enc, keep_until)
     VALUES ($1, $2, $3, $4, $5, 200, $6, $7)`,
    [
      ctx.tenant.id,
      ctx.mode,
      call.operation,
      call.key,
      hashBody(call.body),
      ctx.tenant.vault.sealJson('idempotent_response', result),
      call.operation.startsWith('POST /v1/messages')
        ? KEEP_FOR_EVER
        : new Date(Date.now() + KEEP_MS),
    ],
  );
  return result;
}

async function lockKey(
  em: EntityManager,
  ctx: ServiceContext,
  call: IdempotentCall,
): Promise<void> {
  const name = `idempotency/${ctx.tenant.id}/${ctx.mode}/${call.operation}/${call.key}`;
  await query(em, `SET LOCAL lock_timeout = ${RIVAL_WAITS_MS}`);
  try {
    await query(em, 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [name]);
  } catch (error) {
    if ((error as { code?: string }).code !== '55P03') throw error; // lock_not_available
    throw new PlatformError(
      'idempotency_in_progress',
      'The first call with this Idempotency-Key is still running. Repeat the request in a second.',
      { retryAfterSeconds: 1, cause: error },
    );
  }
  await query(em, 'SET LOCAL lock_timeout = 0');
}

import { MikroORM, type EntityManager, type EntitySchema } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';
import pg from 'pg';
import { PlatformError } from '../domain/platform-error.ts';
import type { Log } from './log.ts';

export type DatabaseRole = 'app' | 'relay' | 'operator' | 'owner';

export interface DatabaseOptions {
  url: string;
  role: DatabaseRole;
  poolSize: number;
  entities: readonly EntitySchema[];
  log: Log;
  /** Longest that one statement may run. */
  statementTimeoutMs?: number;
}

/** One role's pool of connections. Everything in it runs in transactions. */
export interface Database {
  role: DatabaseRole;
  /** A transaction in which row-level security shows this tenant and no other. */
  inTenant: <T>(tenantId: string, work: (em: EntityManager) => Promise<T>) => Promise<T>;
  /** A transaction without a tenant; role `app` may call only the look-up functions in it. */
  transaction: <T>(work: (em: EntityManager) => Promise<T>) => Promise<T>;
  isHealthy: () => Promise<boolean>;
  orm: Awaited<ReturnType<typeof MikroORM.init>>;
  close: () => Promise<void>;
}

/**
 * Rows of a statement with `$1` parameters, in the transaction of `em`. MikroORM writes values into the text of its
 * own queries; set-based paths bind them instead. `timestamptz` arrives as `Date`, `bigint` as text.
 */
export async function query<Row>(
  em: EntityManager,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const transaction = em.getTransactionContext<{
    executeQuery: (compiled: CompiledQuery) => Promise<{ rows: Row[] }>;
  }>();
  if (!transaction) throw new Error('query() needs a transaction');
  const { rows } = await transaction.executeQuery(CompiledQuery.raw(text, values));
  return rows;
}

// What role app may run outside a tenant: transaction control, the look-ups before the tenant is known, the health check.
const WITHOUT_TENANT =
  /^\s*(begin|start transaction|commit|rollback|savepoint|release|select set_config\(|select 1$|select \* from find_)/i;

/**
 * A connection that gives its place in the pool back when it breaks. Kysely does not when BEGIN, COMMIT or ROLLBACK
 * fails on it, so that every outage would leave the pool smaller, in the end empty.
 */
class PooledClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    // Later than whoever notices the failed query and gives it back properly.
    this.once('end', () => setImmediate(() => this.#leavePool()));
  }

  #leavePool(): void {
    try {
      (this as { release?: (isBroken: boolean) => void }).release?.(true);
    } catch {
      // It was given back already.
    }
  }
}

/** A connection that refuses to show rows before somebody said whose. */
class GuardedClient extends PooledClient {
  #hasTenant = false;

  // @ts-expect-error pg declares many overloads; the first argument is all that the guard reads.
  override query(...args: unknown[]): unknown {
    const [first] = args;
    const text = typeof first === 'string' ? first : String((first as { text?: string }).text);
    if (/^\s*(begin|start transaction|commit|rollback\s*$)/i.test(text)) this.#hasTenant = false;
    else if (/^\s*select set_config\(/i.test(text)) this.#hasTenant = true;
    else if (!this.#hasTenant && !WITHOUT_TENANT.test(text)) {
      const refusal = new Error('query of role app outside a transaction that set the tenant');
      const callback = args.at(-1);
      if (typeof callback === 'function') {
        (callback as (error: Error) => void)(refusal);
        return undefined;
      }
      return Promise.reject(refusal);
    }
    return (super.query as (...all: unknown[]) => unknown).apply(this, args);
  }
}

function parsers(): pg.TypeOverrides {
  const types = new pg.TypeOverrides();
  types.setTypeParser(
    pg.types.builtins.TIMESTAMPTZ,
    (text: string) => new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')),
  );
  types.setTypeParser(pg.types.builtins.DATE, (text: string) => text);
  return types;
}

let databases = 0;

export async function connectDatabase(options: DatabaseOptions): Promise<Database> {
  const { role, log } = options;
  const orm = await MikroORM.init({
    clientUrl: options.url,
    entities: [...options.entities],
    // MikroORM finds the current transaction by this name: another role's must never be taken for ours.
    contextName: `${role}-${(databases += 1)}`,
    pool: { min: 0, max: options.poolSize },
    ensureDatabase: false,
    discovery: { warnWhenNoEntities: false },
    logger: (line) => log.debug(line),
    driverOptions: {
      types: parsers(),
      application_name: `email-platform ${role}`,
      connectionTimeoutMillis: 5_000,
      statement_timeout: options.statementTimeoutMs ?? 30_000,
      // No transaction waits for anything outside: one that idles belongs to a process that hangs, and its locks would
      // hold up whoever takes over.
      idle_in_transaction_session_timeout: 10_000,
      keepAlive: true,
      Client: role === 'app' ? GuardedClient : PooledClient,
    },
  });
  const run = <T>(
    variables: Record<string, string>,
    work: (em: EntityManager) => Promise<T>,
  ): Promise<T> =>
    orm.em.fork({ disableContextResolution: true }).transactional((em) => work(em), {
      ...(Object.keys(variables).length > 0 && { sessionContext: { variables } }),
    });
  return {
    role,
    orm,
    inTenant: (tenantId, work) =>
      run({ 'app.tenant_id': tenantId }, (em) => {
        em.setFilterParams('tenant', { tenantId });
        return work(em);
      }),
    transaction: (work) => run({}, work),
    // MikroORM's own check says no until the first query has connected.
    isHealthy: () =>
      run({}, (em) => query(em, 'select 1')).then(
        () => true,
        () => false,
      ),
    close: () => orm.close(true),
  };
}

/** Whether an error means that PostgreSQL could not be reached, rather than that it refused. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof PlatformError) return false;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = (cause as { code?: unknown }).code;
    if (typeof code === 'string' && /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|57P0|08|53)/.test(code))
      return true;
    if (
      /timeout exceeded when trying to connect|Connection terminated|connection timeout/i.test(
        cause.message,
      )
    )
      return true;
  }
  return false;
}

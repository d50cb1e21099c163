import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import type { z } from 'zod';
import type { Log } from '../runtime/log.ts';

export type Clickhouse = ClickHouseClient;

export interface ClickhouseSettings {
  /** HTTP interface, user and password in it. */
  url: string;
  /** Must exist: the server refuses every query that names one it does not have. */
  database: string;
}

const REQUEST_TIMEOUT_MS = 30_000;

/**
 * A pooled client; opens nothing until it is used. Times go out and come in as UTC; 64-bit numbers come as JSON
 * numbers. A call rejects with ClickHouseError (`code`, `type`) when the server answers, with another error when it
 * does not within 30 s. Close it.
 */
export function connectClickhouse({ url, database }: ClickhouseSettings, log: Log): Clickhouse {
  const isLoopback = /^(localhost|127\.|\[::1\])/.test(new URL(url).hostname);
  const client = createClient({
    url,
    database,
    application: 'email-platform',
    request_timeout: REQUEST_TIMEOUT_MS,
    max_open_connections: 10,
    // Gives a socket up before the server does (its shortest usual timeout is 3 s), so none is closed under a request.
    keep_alive: { enabled: true, idle_socket_ttl: 2_000, eagerly_destroy_stale_sockets: true },
    compression: { request: !isLoopback, response: !isLoopback },
    // Its log would hold query parameters; every failure is thrown as well.
    log: { level: ClickHouseLogLevel.OFF },
    clickhouse_settings: {
      session_timezone: 'UTC',
      output_format_json_quote_64bit_integers: 0,
      // An answered insert is a written insert, and an error never comes in the middle of an answer.
      async_insert: 0,
      wait_end_of_query: 1,
      // The server gives up before we stop listening.
      max_execution_time: REQUEST_TIMEOUT_MS / 1000 - 5,
    },
  });
  log.debug({ host: new URL(url).host, database }, 'ClickHouse client made');
  return client;
}

/** All rows of a query, checked. `parameters` fill `{name:Type}`; text never goes into the query itself. */
export async function selectRows<Row>(
  clickhouse: Clickhouse,
  row: z.ZodType<Row>,
  query: string,
  parameters: Record<string, unknown> = {},
): Promise<Row[]> {
  const result = await clickhouse.query({
    query,
    query_params: parameters,
    format: 'JSONEachRow',
    clickhouse_settings: { readonly: '2' },
  });
  return row.array().parse(await result.json());
}

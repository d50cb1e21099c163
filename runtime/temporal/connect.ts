import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import type { PlatformSettings } from '../settings.ts';

/** Guards what enters histories; the worker bundles the same modules into workflows. */
export const dataConverter: DataConverter = {
  payloadConverterPath: fileURLToPath(new URL('./payload-converter.ts', import.meta.url)),
  failureConverterPath: fileURLToPath(new URL('./failure-converter.ts', import.meta.url)),
};

type TemporalSettings = Pick<
  PlatformSettings,
  'TEMPORAL_ADDRESS' | 'TEMPORAL_NAMESPACE' | 'TEMPORAL_API_KEY'
>;

export function connectionOptions(settings: TemporalSettings) {
  return {
    address: settings.TEMPORAL_ADDRESS,
    ...(settings.TEMPORAL_API_KEY !== undefined && {
      apiKey: settings.TEMPORAL_API_KEY,
      tls: true,
    }),
  };
}

/** Connects at the first call, so that a process starts and answers while Temporal is away. */
export function connectTemporal(settings: TemporalSettings): Client {
  return new Client({
    connection: Connection.lazy({
      ...connectionOptions(settings),
      connectTimeout: 5_000,
      // By default the pauses between two tries to connect grow to two minutes, however long the server is back.
      channelArgs: {
        'grpc.initial_reconnect_backoff_ms': 250,
        'grpc.max_reconnect_backoff_ms': 1_000,
      },
      // Without the SDK's own retries: what fails here has a row in PostgreSQL and is tried again from there.
      interceptors: [],
    }),
    namespace: settings.TEMPORAL_NAMESPACE,
    dataConverter,
  });
}

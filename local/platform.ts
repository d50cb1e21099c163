import type { Log } from '../runtime/log.ts';

/** Everything that the platform needs to be usable on this machine; the engines run already. */
export interface FirstStartInput {
  /** PostgreSQL as `owner`, for migrations. */
  ownerUrl: string;
  appUrl: string;
  relayUrl: string;
  operatorUrl: string;
  /** 32 bytes, base64. */
  masterKey: string;
  clickhouseUrl: string;
  clickhouseDatabase: string;
  sandboxUrl: string;
  /** host:port */
  sandboxSmtp: string;
  /** Where the API will be. */
  publicUrl: string;
  /** Folder that takes the demo keys. */
  dataDir: string;
  log: Log;
}

/** Migrations, the demo tenant and its keys; repeated at every start, does only what is missing. */
export async function firstStart(input: FirstStartInput): Promise<void> {
  // Loaded late: it brings the whole platform, which starting the engines does not need.
  const { firstStart: prepare } = await import('../services/first-start/first-start.ts');
  await prepare(input);
}

/** Files with the demo tenant's keys and the operator's, in the data folder. */
export const keyFiles = {
  'Demo key (live)': 'demo-api-key',
  'Demo key (test)': 'demo-test-api-key',
  'Operator key': 'admin-api-key',
} as const;

import type { Child } from './child.ts';
import type { LocalSettings } from '../runtime/settings.ts';
import type { ChosenPort } from './ports.ts';
import type { Secrets } from './secrets.ts';

/** What every part is started with. */
export interface Stack {
  settings: LocalSettings;
  ports: Record<PortName, ChosenPort>;
  secrets: Secrets;
  dataDir: string;
  logDir: string;
  runDir: string;
  signal: AbortSignal;
  say: (line: string) => void;
  /** Settings that the parts so far have added: where they are and how to reach them. */
  addresses: Record<string, string>;
}

export interface Part {
  label: string;
  start: (stack: Stack) => Promise<Started>;
}

export interface Started {
  /** For the progress line: where it is, or what was done. */
  where: string;
  /** Absent for what is not ours to run, and for steps. */
  child?: Child;
  /** Settings for the parts that follow. */
  addresses?: Record<string, string | undefined>;
}

const portDefaults = {
  api: ['API_PORT', 3000],
  worker: ['WORKER_PORT', 3001],
  temporal: ['TEMPORAL_PORT', 7233],
  temporalUi: ['TEMPORAL_UI_PORT', 8233],
  clickhouse: ['CLICKHOUSE_PORT', 8123],
  postgres: ['POSTGRES_PORT', 5433],
  sandbox: ['SANDBOX_HTTP_PORT', 3400],
  sandboxSmtp: ['SANDBOX_SMTP_PORT', 2525],
} as const;
export type PortName = keyof typeof portDefaults;

/** The port of each part: what its setting says, or else a default that may move on. */
export function portWishes(settings: LocalSettings) {
  const wishes = Object.entries(portDefaults).map(([name, [setting, preferred]]) => [
    name,
    { setting, explicit: settings[setting], preferred },
  ]);
  return Object.fromEntries(wishes) as Record<
    PortName,
    { setting: string; explicit?: number; preferred: number }
  >;
}

/** An address that an earlier part has added. */
export function addressOf(stack: Stack, name: string): string {
  const address = stack.addresses[name];
  if (address === undefined)
    throw new Error(`${name} is not known: LOCAL_ONLY leaves out the part that gives it.`);
  return address;
}

/** Rejects with the signal's reason once it aborts; for work that does not look at the signal itself. */
export function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

import { z } from 'zod';
import { PlatformError } from '../domain/platform-error.ts';

// The only reader of the environment. Each setting has one row; docs/settings.md is made from these descriptions.

const port = z.coerce.number().int().min(0).max(65535);
const milliseconds = z.coerce.number().int().positive();

const shared = {
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Lowest level that is logged.'),
};

const platform = {
  ...shared,
  DATABASE_URL: z
    .url()
    .describe('PostgreSQL as role `app`: everything a tenant does, behind row-level security.'),
  DATABASE_RELAY_URL: z
    .url()
    .describe('PostgreSQL as role `relay`: background work over all tenants.'),
  DATABASE_OPERATOR_URL: z.url().describe('PostgreSQL as role `operator`: tenants, keys, audit.'),
  DATABASE_POOL_SIZE: z.coerce
    .number()
    .int()
    .positive()
    .default(20)
    .describe('Connections per role and process.'),
  TEMPORAL_ADDRESS: z.string().default('127.0.0.1:7233').describe('Temporal frontend, host:port.'),
  TEMPORAL_NAMESPACE: z.string().default('default').describe('Temporal namespace.'),
  TEMPORAL_API_KEY: z.string().optional().describe('Temporal Cloud API key; turns TLS on.'),
  TEMPORAL_UI_URL: z
    .url()
    .optional()
    .describe('Temporal Web UI; `workflowUrl` is left out without it.'),
  TEMPORAL_TASK_QUEUE: z.string().default('email-platform').describe('Task queue of the worker.'),
  CLICKHOUSE_URL: z
    .url()
    .default('http://127.0.0.1:8123')
    .describe('ClickHouse HTTP interface, user and password in the URL.'),
  CLICKHOUSE_DATABASE: z
    .string()
    .regex(/^[a-z_][a-z0-9_]*$/)
    .default('email')
    .describe('ClickHouse database; made when missing.'),
  MASTER_KEY: z
    .string()
    .refine((text) => Buffer.from(text, 'base64').length === 32, 'must be 32 bytes in base64')
    .describe(
      '32 bytes, base64: wraps the tenants’ keys and signs API keys. Losing it loses all stored content.',
    ),
  PUBLIC_URL: z.url().optional().describe('Where providers reach the API; part of webhook URLs.'),
  PROVIDER_HOSTS_ALLOWED: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== ''),
    )
    .describe('host:port (or host:*) list that accounts may use besides the providers’ own hosts.'),
  SANDBOX_URL: z
    .url()
    .optional()
    .describe('The sandbox’s HTTP address; without it test messages answer `no_route`.'),
  SANDBOX_SMTP: z
    .string()
    .regex(/^[^:]+:\d+$/)
    .optional()
    .describe('The sandbox’s SMTP address, host:port.'),
  TRACKING_WINDOW_TRANSACTIONAL_MS: milliseconds
    .default(24 * 3_600_000)
    .describe('How long a transactional run waits for events.'),
  TRACKING_WINDOW_MARKETING_MS: milliseconds
    .default(72 * 3_600_000)
    .describe('How long a marketing run waits for events.'),
  RECONCILE_WINDOW_TRANSACTIONAL_MS: milliseconds
    .default(60_000)
    .describe('How long an unknown transactional send waits for an event.'),
  RECONCILE_WINDOW_MARKETING_MS: milliseconds
    .default(24 * 3_600_000)
    .describe('How long an unknown marketing send waits for an event.'),
  RETRY_FOR_TRANSACTIONAL_MS: milliseconds
    .default(3_600_000)
    .describe('How long a transactional message is retried before it fails.'),
  RETRY_FOR_MARKETING_MS: milliseconds
    .default(24 * 3_600_000)
    .describe('How long a marketing message is retried before it fails.'),
  OPEN_RUNS_MAX: z.coerce
    .number()
    .int()
    .positive()
    .default(20_000)
    .describe('Open runs above which new sends end at acceptance.'),
};

const api = {
  ...platform,
  API_HOST: z.string().default('127.0.0.1').describe('Address the API listens on.'),
  API_PORT: port.default(3000).describe('Port the API listens on.'),
  SPOOL_DIR: z.string().describe('Folder that keeps provider webhooks while PostgreSQL is away.'),
  SPOOL_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(256 * 1024 * 1024)
    .describe('Above it webhooks are answered 503.'),
};

const worker = {
  ...platform,
  WORKER_HOST: z
    .string()
    .default('127.0.0.1')
    .describe('Address of the worker’s health and metrics.'),
  WORKER_PORT: port.default(3001).describe('Port of the worker’s health and metrics.'),
  WORKER_ACTIVITY_SLOTS: z.coerce
    .number()
    .int()
    .positive()
    .default(200)
    .describe('Activities at once.'),
  WORKER_WORKFLOW_SLOTS: z.coerce
    .number()
    .int()
    .positive()
    .default(100)
    .describe('Workflow tasks at once.'),
  WORKFLOW_BUNDLE: z
    .string()
    .optional()
    .describe('Prebuilt workflow bundle; built at start without it.'),
  PROVIDER_TIMEOUT_MS: milliseconds.default(10_000).describe('Total time of one provider call.'),
  CALL_WITHIN_MS: milliseconds
    .default(3_000)
    .describe('Time from claim to the request; later it is not written.'),
  ANSWER_GRACE_MS: milliseconds
    .default(5_000)
    .describe('Added to the call’s deadline before anybody calls it unknown.'),
  SWEEP_EVERY_MS: milliseconds.default(1_000).describe('How often due starts are swept up.'),
  CHECK_RUNS_EVERY_MS: milliseconds
    .default(15_000)
    .describe('How often open messages are compared with Temporal.'),
  RELAY_EVERY_MS: milliseconds.default(200).describe('How often the event relay looks when idle.'),
  SHUTDOWN_GRACE_MS: milliseconds
    .default(25_000)
    .describe('Time that running activities get at SIGTERM.'),
  FAILPOINTS: z
    .string()
    .default('')
    .describe('Test only: `name=action` list, see runtime/failpoints.ts.'),
};

const sandbox = {
  ...shared,
  SANDBOX_HOST: z.string().default('127.0.0.1').describe('Address the sandbox listens on.'),
  SANDBOX_HTTP_PORT: port.default(3400).describe('Provider APIs and the inbox page.'),
  SANDBOX_SMTP_PORT: port.default(2525).describe('SMTP.'),
  SANDBOX_DIR: z
    .string()
    .describe('Folder of the acceptance file, the inbox and the webhook keys.'),
  EXIT_WITH_PARENT: z
    .stringbool()
    .default(false)
    .describe('Stop when standard input ends: whoever started the sandbox is gone.'),
};

const clickhouseFront = {
  ...shared,
  CLICKHOUSE_FRONT_HOST: z
    .string()
    .default('127.0.0.1')
    .describe('Address the local ClickHouse listens on.'),
  CLICKHOUSE_FRONT_PORT: port.default(8123).describe('Its port; 0 takes any free one.'),
  CLICKHOUSE_FRONT_DIR: z
    .string()
    .describe('Folder of the local ClickHouse’s data, for one process at a time.'),
};

const localPort = (what: string, first: number) =>
  port.optional().describe(`Port of ${what}; without it ${first}, or the next free one.`);

const local = {
  ...shared,
  LOCAL_DATA_DIR: z.string().default('.data').describe('Folder of everything that is kept.'),
  LOCAL_ONLY: z
    .string()
    .optional()
    .transform((text) => text?.split(',').map((name) => name.trim()))
    .describe('Comma-separated parts to start, such as `postgres,temporal`; all without it.'),
  DATABASE_URL: platform.DATABASE_URL.optional().describe(
    'A PostgreSQL of your own, as role `app`; then none is started. The other three URLs are needed too.',
  ),
  DATABASE_RELAY_URL: platform.DATABASE_RELAY_URL.optional(),
  DATABASE_OPERATOR_URL: platform.DATABASE_OPERATOR_URL.optional(),
  DATABASE_OWNER_URL: z
    .url()
    .optional()
    .describe('PostgreSQL as role `owner`, which runs the migrations.'),
  TEMPORAL_ADDRESS: z
    .string()
    .optional()
    .describe('A Temporal of your own, host:port; then none is started.'),
  TEMPORAL_UI_URL: platform.TEMPORAL_UI_URL,
  TEMPORAL_CLI_PATH: z
    .string()
    .optional()
    .describe('The Temporal CLI to use; else the one on PATH, or it is fetched.'),
  CLICKHOUSE_URL: z.url().optional().describe('A ClickHouse of your own; then none is started.'),
  CLICKHOUSE_DATABASE: platform.CLICKHOUSE_DATABASE,
  MASTER_KEY: platform.MASTER_KEY.optional().describe('Instead of the generated master key.'),
  PUBLIC_URL: platform.PUBLIC_URL,
  API_PORT: localPort('the API', 3000),
  WORKER_PORT: localPort('the worker’s health and metrics', 3001),
  TEMPORAL_PORT: localPort('Temporal', 7233),
  TEMPORAL_UI_PORT: localPort('Temporal’s Web UI', 8233),
  CLICKHOUSE_PORT: localPort('ClickHouse', 8123),
  POSTGRES_PORT: localPort('PostgreSQL', 5433),
  SANDBOX_HTTP_PORT: localPort('the sandbox', 3400),
  SANDBOX_SMTP_PORT: localPort('the sandbox’s SMTP', 2525),
};

export const settingSchemas = {
  api: z.object({ ...api, FAILPOINTS: worker.FAILPOINTS }),
  worker: z.object(worker),
  sandbox: z.object(sandbox),
  clickhouseFront: z.object(clickhouseFront),
  local: z.object(local),
};
export type ApiSettings = z.infer<typeof settingSchemas.api>;
export type WorkerSettings = z.infer<typeof settingSchemas.worker>;
export type SandboxSettings = z.infer<typeof settingSchemas.sandbox>;
export type LocalSettings = z.infer<typeof settingSchemas.local>;
export type PlatformSettings = Pick<ApiSettings, keyof typeof platform>;

/** Settings of one process; one error names everything that is wrong. Empty variables count as absent. */
export function readSettings<Part extends keyof typeof settingSchemas>(
  part: Part,
  environment: Record<string, string | undefined> = process.env,
): z.infer<(typeof settingSchemas)[Part]> {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const result = settingSchemas[part].safeParse(given);
  if (result.success) return result.data as z.infer<(typeof settingSchemas)[Part]>;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new PlatformError('invalid', `Settings of ${part}: ${problems.join('; ')}`);
}

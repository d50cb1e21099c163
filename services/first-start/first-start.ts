import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRenderer } from '../../rendering/create-renderer.ts';
import { createFailpoints } from '../../runtime/failpoints.ts';
import type { Log } from '../../runtime/log.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { settingSchemas } from '../../runtime/settings.ts';
import { connectTemporal } from '../../runtime/temporal/connect.ts';
import { migrateClickhouse } from '../../schema/clickhouse/migrate.ts';
import { SendingDomain } from '../../schema/entities/provider-account.ts';
import { Template } from '../../schema/entities/template.ts';
import { Tenant } from '../../schema/entities/tenancy.ts';
import { migrate } from '../../schema/migrate.ts';
import { createContext, type ServiceContext } from '../context.ts';
import { createSendingDomain } from '../domains/sending-domains.ts';
import { connectPlatform, type Platform } from '../platform.ts';
import { createTemplateVersion, publishTemplateVersion } from '../templates/template-versions.ts';
import { createTemplate } from '../templates/templates.ts';
import { createApiKey } from '../tenants/api-keys.ts';
import { createOperatorKey } from '../tenants/operator-keys.ts';
import { createTenant } from '../tenants/create-tenant.ts';
import { demoTemplates } from './demo-templates.ts';
import { ensureSandboxAccounts } from './sandbox-accounts.ts';

/** Everything that the platform needs to be usable on one machine; the engines run already. */
export interface FirstStartInput {
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

const ACTOR = 'first start';
const DEMO = { key: 'demo', name: 'Demo', domain: 'acme.test' };
/** What each demo key may do; only the live one sees runs. */
const DEMO_SCOPES = ['send', 'read', 'manage', 'inspect'] as const;

/** Migrations, the demo tenant and its keys. Repeated at every start; does only what is missing. */
export async function firstStart(input: FirstStartInput): Promise<void> {
  const applied = await migrate(input.ownerUrl);
  const views = await migrateClickhouse({
    url: input.clickhouseUrl,
    database: input.clickhouseDatabase,
  });
  input.log.info({ applied, views }, 'tables are up to date');
  const platform = await openPlatform(input);
  try {
    await prepareDemo(platform, input);
  } finally {
    await platform.close();
  }
}

async function openPlatform(input: FirstStartInput): Promise<Platform> {
  const settings = settingSchemas.worker.parse({
    DATABASE_URL: input.appUrl,
    DATABASE_RELAY_URL: input.relayUrl,
    DATABASE_OPERATOR_URL: input.operatorUrl,
    DATABASE_POOL_SIZE: '2',
    MASTER_KEY: input.masterKey,
    PUBLIC_URL: input.publicUrl,
    SANDBOX_URL: input.sandboxUrl,
    SANDBOX_SMTP: input.sandboxSmtp,
  });
  return connectPlatform({
    settings,
    log: input.log,
    metrics: createMetrics('first start'),
    renderer: await createRenderer({ log: input.log }),
    temporal: connectTemporal(settings), // connects only when used, and here it is not
    failpoints: createFailpoints(''),
  });
}

async function prepareDemo(platform: Platform, input: FirstStartInput): Promise<void> {
  const tenantId = await ensureTenant(platform);
  const context = (mode: 'live' | 'test') =>
    createContext(platform, { tenantId, mode, actor: ACTOR });
  const [live, test] = [await context('live'), await context('test')];
  await ensureDomain(live);
  const sandbox = { httpUrl: input.sandboxUrl, smtpAddress: input.sandboxSmtp };
  await ensureSandboxAccounts(live, sandbox);
  await ensureSandboxAccounts(test, sandbox);
  await ensureTemplates(live);
  await ensureKeyFile(join(input.dataDir, 'demo-api-key'), () => newDemoKey(live));
  await ensureKeyFile(join(input.dataDir, 'demo-test-api-key'), () => newDemoKey(test));
  await ensureKeyFile(join(input.dataDir, 'admin-api-key'), () =>
    createOperatorKey(platform, 'local operator'),
  );
}

async function ensureTenant(platform: Platform): Promise<string> {
  const found = await platform.operator.transaction((em) => em.findOne(Tenant, { key: DEMO.key }));
  return found?.id ?? (await createTenant(platform, { ...DEMO, actor: ACTOR })).id;
}

/** The demo's domain is nobody's: it needs no proof. */
async function ensureDomain(ctx: ServiceContext): Promise<void> {
  const domain = { domain: DEMO.domain };
  if (!(await ctx.read((em) => em.findOne(SendingDomain, domain))))
    await createSendingDomain(ctx, domain);
  await ctx.read((em) =>
    em.nativeUpdate(
      SendingDomain,
      { ...domain, state: 'unverified' },
      { state: 'verified', verifiedAt: ctx.now() },
    ),
  );
}

async function ensureTemplates(ctx: ServiceContext): Promise<void> {
  for (const { key, name, content } of demoTemplates) {
    const found = await ctx.read((em) => em.findOne(Template, { key }));
    if (found) continue;
    const { id } = await createTemplate(ctx, { key, name });
    const { number } = await createTemplateVersion(ctx, id, content);
    await publishTemplateVersion(ctx, id, number);
  }
}

function newDemoKey(ctx: ServiceContext): Promise<{ secret: string }> {
  return createApiKey(ctx, { name: 'demo', mode: ctx.mode, scopes: [...DEMO_SCOPES] });
}

/** The secret exists nowhere else, so a lost file means a new key. */
async function ensureKeyFile(
  path: string,
  create: () => Promise<{ secret: string }>,
): Promise<void> {
  if (existsSync(path)) return;
  const { secret } = await create();
  await writeFile(path, `${secret}\n`, { mode: 0o600 });
}

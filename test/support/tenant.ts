import { createContext, type Mode, type ServiceContext } from '../../services/context.ts';
import type { Platform } from '../../services/platform.ts';
import { createTenant } from '../../services/tenants/create-tenant.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { query } from '../../runtime/database.ts';
import type { AcceptMessageInput } from '../../services/messages/message-input.ts';

let count = 0;

export interface AccountInput {
  name?: string;
  provider?: string;
  credentials?: object;
  settings?: object;
  deliveryEvents?: 'full' | 'partial' | 'none';
  honoursCallId?: boolean;
  mode?: Mode;
  signingKey?: string;
}

/** A tenant of a test's own, with the sending domain `acme.test`. */
export async function aTenant(platform: Platform, mode: Mode = 'live'): Promise<ServiceContext> {
  count += 1;
  const { id } = await createTenant(platform, {
    key: `t${process.pid}-${count}`,
    name: 'Test',
    actor: 'test',
  });
  await platform.app.inTenant(id, (em) =>
    query(
      em,
      `INSERT INTO sending_domains (tenant_id, id, domain, state) VALUES ($1, $2, 'acme.test', 'verified')`,
      [id, newUuid()],
    ),
  );
  return createContext(platform, { tenantId: id, mode, actor: 'test' });
}

/** Straight into the table: what the API would refuse (a host, a provider's own rules) is up to the test. */
export async function anAccount(ctx: ServiceContext, input: AccountInput = {}): Promise<string> {
  const id = newUuid();
  const { vault } = ctx.tenant;
  await ctx.read((em) =>
    query(
      em,
      `INSERT INTO provider_accounts (tenant_id, id, name, provider, mode, credentials_enc, settings, webhook_secrets_enc,
         webhook_token_hash, webhook_token_enc, delivery_events, honours_call_id, price_micros, price_currency)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 400000, 'USD')`,
      [
        ctx.tenant.id,
        id,
        input.name ?? `account-${id.slice(-6)}`,
        input.provider ?? 'sendgrid',
        input.mode ?? ctx.mode,
        vault.sealJson('credentials', input.credentials ?? { apiKey: 'SG.test' }),
        JSON.stringify(input.settings ?? {}),
        input.signingKey === undefined
          ? null
          : vault.sealJson('webhook_secrets', { signingKey: input.signingKey }),
        ctx.platform.vault.hashToken('token'),
        vault.seal('webhook_token', 'token'),
        input.deliveryEvents ?? 'full',
        input.honoursCallId ?? false,
      ],
    ),
  );
  return id;
}

export function aMessage(overrides: Partial<AcceptMessageInput> = {}): AcceptMessageInput {
  return {
    from: { email: 'hello@acme.test', name: 'Acme' },
    to: [{ email: 'ada@example.test' }],
    cc: [],
    bcc: [],
    replyTo: [],
    subject: 'Hello {{ name }}',
    html: '<p>Hello {{ name }}</p>',
    text: 'Hello {{ name }}',
    variables: { name: 'Ada' },
    attachments: [],
    headers: {},
    tags: [],
    metadata: {},
    stream: 'transactional',
    ...overrides,
  };
}

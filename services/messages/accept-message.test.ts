import assert from 'node:assert/strict';
import { toUuid } from '../../domain/ids.ts';
import { query } from '../../runtime/database.ts';
import { aPlatform } from '../../test/support/platform.ts';
import { aMessage, anAccount, aTenant } from '../../test/support/tenant.ts';
import type { Platform } from '../platform.ts';
import { acceptMessage } from './accept-message.ts';

describe('acceptMessage', () => {
  let platform: Platform;
  before(async () => void (platform = await aPlatform()));
  after(() => platform.close());

  it('answers only what is stored: whoever asks at that moment finds it', async () => {
    const ctx = await aTenant(platform);
    await anAccount(ctx);
    for (let run = 0; run < 20; run += 1) {
      const { id } = await acceptMessage(ctx, aMessage());
      const found = await ctx.read((em) =>
        query<{ messages: number; recipients: number; contents: number }>(
          em,
          `SELECT (SELECT count(*)::int FROM messages WHERE tenant_id = $1 AND id = $2) AS messages,
             (SELECT count(*)::int FROM recipients WHERE tenant_id = $1 AND message_id = $2) AS recipients,
             (SELECT count(*)::int FROM message_contents WHERE tenant_id = $1 AND message_id = $2) AS contents`,
          [ctx.tenant.id, toUuid('message', id)],
        ),
      );
      assert.deepEqual(found, [{ messages: 1, recipients: 1, contents: 1 }]);
    }
  });

  it('stores nothing of what it refuses', async () => {
    const ctx = await aTenant(platform);
    await anAccount(ctx);
    const refused = [
      aMessage({ from: { email: 'me@elsewhere.test' } }),
      aMessage({ to: [{ email: 'nobody' }] }),
      aMessage({ html: '{% if %}' }),
      aMessage({ variables: {} }),
      aMessage({ subject: 'a\r\nBcc: x@y.test' }),
      aMessage({ headers: { Bcc: 'x@y.test' } }),
      aMessage({ onUnknown: 'resend' }),
      aMessage({ routing: { account: 'none' } }),
    ];
    for (const input of refused)
      await assert.rejects(acceptMessage(ctx, input), { code: 'invalid' });
    const rows = await ctx.read((em) =>
      query(
        em,
        'SELECT 1 FROM messages WHERE tenant_id = $1 UNION ALL SELECT 1 FROM recipients WHERE tenant_id = $1',
        [ctx.tenant.id],
      ),
    );
    assert.deepEqual(rows, []);
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckResult } from '../../providers/provider.ts';
import { audit } from '../audit.ts';
import type { ServiceContext } from '../context.ts';
import { openAccount } from './open-account.ts';
import { getAccount } from './provider-accounts.ts';

const TIMEOUT_MS = 10_000;
/** For an adapter that does not keep its time-out. */
const GIVE_UP_MS = TIMEOUT_MS + 1_000;

/** Asks the provider whether the account's credentials are good; sends nothing. */
export async function checkProviderAccount(ctx: ServiceContext, id: string): Promise<CheckResult> {
  const stored = await ctx.read((em) => getAccount(em, ctx, id));
  const { provider, account } = openAccount(ctx.platform, ctx.tenant, stored);
  const giveUp = new AbortController();
  const tooLate = sleep(
    GIVE_UP_MS,
    { ok: false, detail: `No answer within ${TIMEOUT_MS / 1_000} s.` },
    { signal: giveUp.signal },
  );
  tooLate.catch(() => undefined); // it is aborted when the provider was faster
  const result = await Promise.race([provider.check(account, TIMEOUT_MS), tooLate]).finally(() =>
    giveUp.abort(),
  );
  return ctx.write((em) => {
    audit(em, ctx, 'provider_account.checked', id, { ok: result.ok });
    return Promise.resolve({ ok: result.ok, detail: result.detail });
  });
}

import type { EntityManager } from '@mikro-orm/postgresql';
import { toUuid } from '../../domain/ids.ts';
import { notFound } from '../../domain/platform-error.ts';
import type { ServiceContext } from '../context.ts';
import { getLedger, type Ledger } from '../delivery/records.ts';

/** One message of this tenant and mode; another's answers like one that does not exist. */
export async function getMessageLedger(
  em: EntityManager,
  ctx: ServiceContext,
  publicId: string,
  lock = false,
): Promise<Ledger> {
  const ledger = await getLedger(em, ctx.tenant.id, toUuid('message', publicId), lock);
  if (ledger.message.mode !== ctx.mode) throw notFound('message');
  return ledger;
}

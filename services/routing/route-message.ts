import type { EntityManager } from '@mikro-orm/postgresql';
import {
  decideRoute,
  type RoutableAccount,
  type RoutingDecision,
  type RoutingWish,
} from '../../domain/routing.ts';
import { findUuid, toPublicId } from '../../domain/ids.ts';
import { invalid, type PlatformError } from '../../domain/platform-error.ts';
import { ProviderAccount } from '../../schema/entities/provider-account.ts';
import type { ServiceContext } from '../context.ts';

/** The tenant's accounts as routing sees them, oldest first. */
export async function listRoutableAccounts(em: EntityManager): Promise<RoutableAccount[]> {
  const accounts = await em.findAll(ProviderAccount, { orderBy: { id: 'asc' } });
  return accounts.map((account) => ({
    id: account.id,
    name: account.name,
    provider: account.provider,
    mode: account.mode,
    enabled: account.enabled,
    honoursCallId: account.honoursCallId,
    deliveryEvents: account.deliveryEvents,
  }));
}

/** A wish may name accounts by public id or by name; the decision compares bare ids and names. */
export function resolveWish(wish: RoutingWish | undefined): RoutingWish {
  const resolve = (name: string) => findUuid('providerAccount', name) ?? name;
  return {
    ...(wish?.account !== undefined && { account: resolve(wish.account) }),
    ...(wish?.exclude !== undefined && { exclude: wish.exclude.map(resolve) }),
  };
}

export async function routeMessage(
  em: EntityManager,
  ctx: Pick<ServiceContext, 'mode'>,
  wish: RoutingWish | undefined,
): Promise<RoutingDecision> {
  return decideRoute(await listRoutableAccounts(em), ctx.mode, resolveWish(wish));
}

export function noRoute(decision: RoutingDecision, mode: 'live' | 'test'): PlatformError {
  const reasons = decision.candidates.map(
    ({ name, excluded }) => `${name}: ${excluded ?? 'possible'}`,
  );
  const fix =
    mode === 'test'
      ? 'A test key reaches only accounts at the sandbox, and none is usable.'
      : 'Add or enable a provider account (POST /v1/provider-accounts).';
  return invalid(
    '/routing',
    'no_route',
    `No provider account can take this message. ${fix}${reasons.length > 0 ? ` Looked at ${reasons.join(', ')}.` : ''}`,
  );
}

/** A decision as it is shown: public ids, nothing else of the account. */
export function viewDecision(decision: RoutingDecision) {
  return {
    candidates: decision.candidates.map((candidate) => ({
      ...candidate,
      account: toPublicId('providerAccount', candidate.account),
    })),
    chosen: decision.chosen && toPublicId('providerAccount', decision.chosen.id),
  };
}

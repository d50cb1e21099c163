/** An account as routing sees it. */
export interface RoutableAccount {
  id: string;
  name: string;
  provider: string;
  mode: 'live' | 'test';
  enabled: boolean;
  honoursCallId: boolean;
  deliveryEvents: 'full' | 'partial' | 'none';
}

export interface RoutingWish {
  /** Id or name of the only account that may be used. */
  account?: string | undefined;
  /** Ids or names that may not. */
  exclude?: string[] | undefined;
}

export type ExclusionReason =
  | 'wrong_mode'
  | 'disabled'
  | 'not_wished'
  | 'excluded_by_request'
  | 'recipient_not_allowed'
  | 'cannot_express';

export interface Candidate {
  account: string;
  name: string;
  provider: string;
  excluded?: ExclusionReason;
  /** Why `cannot_express`. */
  detail?: string;
}

export interface RoutingDecision {
  candidates: Candidate[];
  chosen: RoutableAccount | null;
}

const isNamed = (account: RoutableAccount, wish: string) =>
  wish === account.id || wish === account.name;

function exclusion(account: RoutableAccount, mode: 'live' | 'test', wish: RoutingWish) {
  if (account.mode !== mode) return 'wrong_mode';
  if (wish.account !== undefined && !isNamed(account, wish.account)) return 'not_wished';
  if (wish.exclude?.some((name) => isNamed(account, name))) return 'excluded_by_request';
  if (!account.enabled) return 'disabled';
  return undefined;
}

/**
 * Which account takes a message: the first that nothing excludes, oldest first. A function of its inputs only, so that
 * a preview and the real thing agree.
 * @param refuses what an account cannot take of this message, asked only of accounts not yet excluded
 */
export function decideRoute(
  accounts: RoutableAccount[],
  mode: 'live' | 'test',
  wish: RoutingWish,
  refuses: (
    account: RoutableAccount,
  ) => { reason: ExclusionReason; detail?: string } | undefined = () => undefined,
): RoutingDecision {
  let chosen: RoutableAccount | null = null;
  const candidates = accounts.map((account): Candidate => {
    const candidate = { account: account.id, name: account.name, provider: account.provider };
    const excluded = exclusion(account, mode, wish);
    if (excluded) return { ...candidate, excluded };
    const refusal = refuses(account);
    if (refusal)
      return {
        ...candidate,
        excluded: refusal.reason,
        ...(refusal.detail && { detail: refusal.detail }),
      };
    chosen ??= account;
    return candidate;
  });
  return { candidates, chosen };
}

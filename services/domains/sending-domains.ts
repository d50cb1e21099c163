import { addressProblem } from '../../domain/address.ts';
import { toPublicId, toUuid } from '../../domain/ids.ts';
import { invalid, notFound } from '../../domain/platform-error.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { SendingDomain } from '../../schema/entities/provider-account.ts';
import { audit } from '../audit.ts';
import type { ServiceContext } from '../context.ts';
import { idRange, pageOf, type Page, type PageRequest } from '../paging.ts';
import { orTaken } from '../unique.ts';

export interface SendingDomainView {
  id: string;
  domain: string;
  state: 'unverified' | 'verified';
  createdAt: string;
  verifiedAt: string | null;
}

/** Lets the tenant send from this domain. Its DNS records are not looked at yet. */
export async function createSendingDomain(
  ctx: ServiceContext,
  input: { domain: string },
): Promise<SendingDomainView> {
  const domain = input.domain.toLowerCase();
  if (addressProblem(`postmaster@${domain}`) !== undefined)
    throw invalid(
      '/domain',
      'domain_invalid',
      'Name a domain such as mail.example.com (international ones in their xn-- form).',
    );
  const work = ctx.write(async (em) => {
    const row = em.create(SendingDomain, {
      id: newUuid(),
      tenantId: ctx.tenant.id,
      domain,
      state: 'unverified',
      createdAt: ctx.now(),
      verifiedAt: null,
    });
    const view = viewSendingDomain(row);
    audit(em, ctx, 'sending_domain.created', view.id, { domain });
    await em.flush();
    return view;
  });
  return orTaken(work, '/domain', `${domain} is a sending domain already.`);
}

export async function listSendingDomains(
  ctx: ServiceContext,
  request: PageRequest,
): Promise<Page<SendingDomainView>> {
  return ctx.read(async (em) => {
    const domains = await em.find(SendingDomain, idRange(request), {
      orderBy: { id: 'desc' },
      limit: request.limit + 1,
    });
    return pageOf(
      domains.map((row) => ({ cursor: row.id, view: viewSendingDomain(row) })),
      request.limit,
    );
  });
}

export async function getSendingDomain(
  ctx: ServiceContext,
  id: string,
): Promise<SendingDomainView> {
  const uuid = toUuid('sendingDomain', id);
  return ctx.read(async (em) => {
    const row = await em.findOne(SendingDomain, { id: uuid });
    if (!row) throw notFound('sending domain');
    return viewSendingDomain(row);
  });
}

function viewSendingDomain(row: SendingDomain): SendingDomainView {
  return {
    id: toPublicId('sendingDomain', row.id),
    domain: row.domain,
    state: row.state,
    createdAt: row.createdAt.toISOString(),
    verifiedAt: row.verifiedAt?.toISOString() ?? null,
  };
}

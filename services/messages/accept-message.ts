import type { EntityManager } from '@mikro-orm/postgresql';
import { addressKey, domainOf, type Address } from '../../domain/address.ts';
import { toPublicId } from '../../domain/ids.ts';
import { PlatformError } from '../../domain/platform-error.ts';
import type { RoutingDecision } from '../../domain/routing.ts';
import { recipientStatuses } from '../../domain/recipient-status.ts';
import { query } from '../../runtime/database.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import { sendMessageId } from '../../workflows/contracts.ts';
import type { ServiceContext } from '../context.ts';
import { noRoute, routeMessage, viewDecision } from '../routing/route-message.ts';
import { scheduleRunStart } from '../starts/start-runs.ts';
import { tooManyOpenRuns } from '../starts/open-runs.ts';
import { findFromDomainProblem, findMessageProblems } from './check-message.ts';
import { getMessageSource, templateErrorItem, type MessageSource } from './message-source.ts';
import type { AcceptMessageInput, StoredContent, StoredEnvelope } from './message-input.ts';

export interface AcceptedMessage {
  id: string;
  status: 'accepted' | 'scheduled' | 'suppressed';
  mode: 'live' | 'test';
  createdAt: string;
  workflowId: string;
}

/** Everything that is settled about a message before it is stored. */
interface CheckedMessage {
  source: MessageSource;
  subject: string;
  decision: RoutingDecision;
  waitFor: 'delivery' | 'acceptance';
  /** Why it is not what was asked for. */
  waitNote: string | null;
}

/** From the sweep's point of view a message that is due now may wait this long for its own process to start it. */
const OWN_START_MS = 2_000;

/**
 * Accepts one message: after this has answered, it ends in exactly one visible state. Nothing is stored when anything
 * is wrong.
 * @throws invalid with every problem and its place, too_large
 */
export async function acceptMessage(
  ctx: ServiceContext,
  input: AcceptMessageInput,
): Promise<AcceptedMessage> {
  const checked = await checkMessage(ctx, input);
  const result = await ctx.write((em) => storeMessage(em, ctx, input, checked));
  if (!ctx.replayed) {
    ctx.platform.metrics.accepted.inc({ mode: ctx.mode, stream: input.stream });
    ctx.platform.failpoints('after_accept_commit');
    if (result.status === 'accepted') scheduleRunStart(ctx.platform, ctx.tenant.id, result.id);
  }
  return result;
}

/** All checks and the routing decision; stores nothing. */
export async function validateMessage(ctx: ServiceContext, input: AcceptMessageInput) {
  const { subject, source, decision } = await checkMessage(ctx, input);
  return {
    valid: true as const,
    subject,
    template: source.template && { key: source.template.key, version: source.template.version },
    routing: viewDecision(decision),
  };
}

async function checkMessage(
  ctx: ServiceContext,
  input: AcceptMessageInput,
): Promise<CheckedMessage> {
  const problems = findMessageProblems(input, ctx.now());
  const { source, decision } = await ctx.read(async (em) => {
    const fromProblem = await findFromDomainProblem(em, input);
    if (fromProblem) problems.push(fromProblem);
    if (problems.length > 0)
      throw new PlatformError('invalid', problems[0]?.detail ?? 'The message is not valid.', {
        errors: problems,
      });
    return {
      source: await getMessageSource(em, input),
      decision: await routeMessage(em, ctx, input.routing),
    };
  });
  if (!decision.chosen) throw noRoute(decision, ctx.mode);
  const rendered = await ctx.platform.renderer.render({
    ...(source.cacheKey !== undefined && { cacheKey: source.cacheKey }),
    parts: source.parts,
    variables: input.variables,
  });
  if (!rendered.ok) {
    const item = templateErrorItem(rendered.error, source);
    throw new PlatformError('invalid', item.detail, { errors: [item] });
  }
  return { source, decision, subject: rendered.parts.subject, ...(await resolveWait(ctx, input)) };
}

async function storeMessage(
  em: EntityManager,
  ctx: ServiceContext,
  input: AcceptMessageInput,
  checked: CheckedMessage,
): Promise<AcceptedMessage> {
  const { vault, id: tenantId, key: tenantKey } = ctx.tenant;
  const now = ctx.now();
  const id = newUuid(now.getTime());
  const isScheduled = input.scheduledAt !== undefined && input.scheduledAt > now;
  const status = isScheduled ? 'scheduled' : 'accepted';
  const due = isScheduled ? input.scheduledAt : new Date(now.getTime() + OWN_START_MS);
  const recipients = listRecipients(input).map(({ kind, address }) => ({
    id: newUuid(now.getTime()),
    kind,
    sealed: vault.sealJson('address', address),
    hash: vault.hashAddress(addressKey(address.email)),
    domain: domainOf(address.email),
  }));
  const retryForMs =
    input.stream === 'transactional'
      ? ctx.platform.settings.RETRY_FOR_TRANSACTIONAL_MS
      : ctx.platform.settings.RETRY_FOR_MARKETING_MS;
  const { template } = checked.source;
  const content: StoredContent = {
    ...(!template && checked.source.parts),
    variables: input.variables,
    locale: input.locale,
    headers: input.headers,
    attachments: input.attachments,
  };
  const envelope: StoredEnvelope = {
    from: input.from,
    replyTo: input.replyTo,
    subject: checked.subject,
  };

  // One statement, one round trip. A recipient who is suppressed now is stored as such; the claim looks again.
  const [stored] = await query<{ suppressed: number }>(
    em,
    `WITH message AS (
       INSERT INTO messages (tenant_id, id, mode, stream, status, recipient_count, envelope_enc, template_id,
         template_key, template_version, tags, metadata, topic, wait_for, wait_note, tracking_opens, tracking_clicks,
         routing, created_at, scheduled_at, expires_at, retry_until, check_at, traceparent, request_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
         $23, $24, $25)
     ), content AS (
       INSERT INTO message_contents (tenant_id, message_id, content_enc) SELECT $1, $2, $26
     ), named AS (
       SELECT * FROM unnest($27::uuid[], $28::text[], $29::bytea[], $30::bytea[], $31::text[])
         AS r (id, kind, sealed, hash, domain)
     ), recipient AS (
       INSERT INTO recipients (tenant_id, id, message_id, kind, address_enc, address_hash, domain, state, reason)
       SELECT $1, n.id, $2, n.kind::"char", n.sealed, n.hash, n.domain,
         CASE WHEN s.reason IS NULL THEN '${recipientStatuses.pending.letter}' ELSE '${recipientStatuses.suppressed.letter}' END::"char",
         s.reason
       FROM named n
       LEFT JOIN LATERAL (
         SELECT reason FROM suppressions x
          WHERE x.tenant_id = $1 AND x.address_hash = n.hash AND x.stream IN ('transactional', $4) AND $3 = 'live'
          LIMIT 1) s ON true
       RETURNING id, state, address_hash
     ), fact AS (
       INSERT INTO events (tenant_id, day, account_id, key, id, type, at, message_id, recipient_id, address_hash)
       SELECT $1, ($19 AT TIME ZONE 'UTC')::date, '00000000-0000-0000-0000-000000000000',
         decode(replace(r.id::text, '-', ''), 'hex') || kind.code::bytea,
         uuidv7(), kind.type, $19, $2, r.id, r.address_hash
       FROM recipient r
       CROSS JOIN LATERAL (VALUES ('accepted', 'a'), ('suppressed', 'x')) AS kind (type, code)
       WHERE kind.type = 'accepted' OR r.state = '${recipientStatuses.suppressed.letter}'
     ), start AS (
       INSERT INTO workflow_starts (tenant_id, kind, subject_id, run_no, start_at)
       SELECT $1, 'message', $2, 1, $32
       WHERE EXISTS (SELECT 1 FROM recipient WHERE state = '${recipientStatuses.pending.letter}')
     )
     SELECT count(*) FILTER (WHERE state = '${recipientStatuses.suppressed.letter}')::int AS suppressed FROM recipient`,
    [
      tenantId,
      id,
      ctx.mode,
      input.stream,
      status,
      recipients.length,
      vault.sealJson('envelope', envelope),
      template?.id ?? null,
      template?.key ?? null,
      template?.version ?? null,
      input.tags,
      JSON.stringify(input.metadata),
      input.topic ?? null,
      checked.waitFor,
      checked.waitNote,
      input.tracking?.opens ?? input.stream === 'marketing',
      input.tracking?.clicks ?? input.stream === 'marketing',
      JSON.stringify(input.routing ?? {}),
      now,
      input.scheduledAt ?? null,
      input.expiresAt ?? null,
      new Date((isScheduled ? (due ?? now) : now).getTime() + retryForMs),
      due ?? now,
      ctx.traceparent ?? null,
      ctx.requestId ?? null,
      vault.sealJson('content', content),
      recipients.map((recipient) => recipient.id),
      recipients.map(({ kind }) => kind),
      recipients.map(({ sealed }) => sealed),
      recipients.map(({ hash }) => hash),
      recipients.map(({ domain }) => domain),
      due ?? now,
    ],
  );
  const isSuppressed = stored?.suppressed === recipients.length;
  if (isSuppressed)
    await query(
      em,
      `UPDATE messages SET status = 'suppressed', settled_at = $3, check_at = NULL WHERE tenant_id = $1 AND id = $2`,
      [tenantId, id, now],
    );
  const messageId = toPublicId('message', id);
  return {
    id: messageId,
    status: isSuppressed ? 'suppressed' : status,
    mode: ctx.mode,
    createdAt: now.toISOString(),
    workflowId: sendMessageId(tenantKey, messageId, 1),
  };
}

function listRecipients(input: AcceptMessageInput): { kind: 't' | 'c' | 'b'; address: Address }[] {
  return [
    ...input.to.map((address) => ({ kind: 't' as const, address })),
    ...input.cc.map((address) => ({ kind: 'c' as const, address })),
    ...input.bcc.map((address) => ({ kind: 'b' as const, address })),
  ];
}

/** Above the limit of open runs a message still goes out, only its run does not stay to watch; the timeline says so. */
async function resolveWait(ctx: ServiceContext, input: AcceptMessageInput) {
  const waitFor = input.waitFor ?? 'delivery';
  if (waitFor === 'delivery' && (await tooManyOpenRuns(ctx.platform)))
    return { waitFor: 'acceptance' as const, waitNote: 'too_many_open_runs' };
  return { waitFor, waitNote: null };
}

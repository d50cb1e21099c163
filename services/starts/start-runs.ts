import {
  WorkflowExecutionAlreadyStartedError,
  defineSearchAttributeKey,
  SearchAttributeType,
  TypedSearchAttributes,
  type SearchAttributePair,
} from '@temporalio/common';
import { toPublicId, toUuid } from '../../domain/ids.ts';
import { query } from '../../runtime/database.ts';
import {
  searchAttributeNames,
  sendMessageId,
  sendMessageSummary,
  workflowNames,
  type SendMessageInput,
} from '../../workflows/contracts.ts';
import type { Platform } from '../platform.ts';

/** What a run needs from its message's row. */
interface StartableMessage {
  tenant_id: string;
  id: string;
  run_no: number;
  stream: 'transactional' | 'marketing';
  template_key: string | null;
  wait_for: 'delivery' | 'acceptance';
  retry_until: Date;
  expires_at: Date | null;
  last_attempt: number;
}

/** How long a started run is trusted before the first comparison with Temporal. */
const FIRST_CHECK_AFTER_MS = 60_000;

const WORKFLOW_TASK_TIMEOUT_MS = 5_000;

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);

/** Starts a message's run soon, in the background; what goes wrong is left to the sweep. */
export function scheduleRunStart(platform: Platform, tenantId: string, messageId: string): void {
  startMessageRun(platform, tenantId, toUuid('message', messageId)).catch((error: unknown) => {
    platform.log.warn({ err: error, messageId }, 'the run did not start; the sweep will start it');
  });
}

/**
 * Starts the run that a start row asks for and deletes the row. Doing it twice does no harm: the id is a function of
 * the row, and a run that exists is used.
 */
export async function startMessageRun(
  platform: Platform,
  tenantId: string,
  id: string,
): Promise<void> {
  const [message] = await platform.relay.transaction((em) =>
    query<StartableMessage>(
      em,
      `SELECT m.tenant_id, m.id, s.run_no, m.stream, m.template_key, m.wait_for, m.retry_until, m.expires_at,
         greatest((SELECT max(r.attempt) FROM recipients r WHERE r.tenant_id = $1 AND r.message_id = $2), 1) AS last_attempt
       FROM workflow_starts s JOIN messages m ON m.tenant_id = s.tenant_id AND m.id = s.subject_id
       WHERE s.tenant_id = $1 AND s.kind = 'message' AND s.subject_id = $2`,
      [tenantId, id],
    ),
  );
  if (!message) return; // somebody else started it
  platform.failpoints('before_workflow_start');
  await startWorkflow(platform, message);
  await platform.relay.transaction((em) =>
    query(
      em,
      `WITH started AS (
         DELETE FROM workflow_starts WHERE tenant_id = $1 AND kind = 'message' AND subject_id = $2 AND run_no = $3)
       UPDATE messages SET started_at = coalesce(started_at, now()), check_at = now() + $4 * interval '1 ms'
       WHERE tenant_id = $1 AND id = $2 AND check_at IS NOT NULL`,
      [tenantId, id, message.run_no, FIRST_CHECK_AFTER_MS],
    ),
  );
}

async function startWorkflow(platform: Platform, message: StartableMessage): Promise<void> {
  const { settings, temporal } = platform;
  const tenant = await platform.getTenant(message.tenant_id);
  const messageId = toPublicId('message', message.id);
  const isTransactional = message.stream === 'transactional';
  const input: SendMessageInput = {
    tenantId: tenant.id,
    tenantKey: tenant.key,
    messageId,
    attempt: message.last_attempt,
    waitFor: message.wait_for,
    retryUntil: message.retry_until.getTime(),
    ...(message.expires_at && { expiresAt: message.expires_at.getTime() }),
    reconcileWindowMs: isTransactional
      ? settings.RECONCILE_WINDOW_TRANSACTIONAL_MS
      : settings.RECONCILE_WINDOW_MARKETING_MS,
    trackingWindowMs: isTransactional
      ? settings.TRACKING_WINDOW_TRANSACTIONAL_MS
      : settings.TRACKING_WINDOW_MARKETING_MS,
  };
  const attributes: SearchAttributePair[] = [
    { key: keyword(searchAttributeNames.tenant), value: tenant.key },
    { key: keyword(searchAttributeNames.stream), value: message.stream },
  ];
  if (message.template_key !== null)
    attributes.push({ key: keyword(searchAttributeNames.template), value: message.template_key });
  try {
    await temporal.workflow.start(workflowNames.sendMessage, {
      workflowId: sendMessageId(tenant.key, messageId, message.run_no),
      taskQueue: settings.TEMPORAL_TASK_QUEUE,
      args: [input],
      // A failed or terminated run may be followed by another under its id; a completed one may not.
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      workflowIdConflictPolicy: 'USE_EXISTING',
      typedSearchAttributes: new TypedSearchAttributes(attributes),
      // A task that was handed to a worker as it died is handed out again after this, not after the default of 10 s.
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT_MS,
      staticSummary: sendMessageSummary({
        stream: message.stream,
        templateKey: message.template_key ?? undefined,
      }),
      staticDetails: `Timeline: \`GET /v1/messages/${messageId}/timeline\``,
      priority: { priorityKey: isTransactional ? 2 : 4, fairnessKey: tenant.key },
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

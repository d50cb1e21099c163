import type { MessageStatus, SettledBy } from '../domain/message-status.ts';

// Everything that somebody outside a workflow may touch: ids, inputs, signals, search attributes.
// Plain data and functions of data, so that API, relays and other teams can import it without the workflows.

/** `send-message/<tenant>/<msg_…>`, a restarted run of a completed one ends in `/<n>`. */
export function sendMessageId(tenantKey: string, messageId: string, runNo: number): string {
  return `send-message/${tenantKey}/${messageId}${runNo > 1 ? `/${runNo}` : ''}`;
}

/** Times are epoch milliseconds or durations; ids are public ones. No address, no content. */
export interface SendMessageInput {
  tenantId: string;
  tenantKey: string;
  messageId: string;
  /** The attempt that this run begins with; a restart looks at the last one again. */
  attempt: number;
  waitFor: 'delivery' | 'acceptance';
  retryUntil: number;
  expiresAt?: number;
  reconcileWindowMs: number;
  trackingWindowMs: number;
}

export type SendMessageResult = {
  status: MessageStatus;
  attempts: number;
  settledBy?: SettledBy;
};

export const workflowNames = { sendMessage: 'sendMessage' } as const;

/** An event settled one recipient, or proved that an unknown call was accepted. */
export interface DeliveryEventSignal {
  recipientId: string;
  kind: string;
}

export const signalNames = { deliveryEvent: 'deliveryEvent', cancel: 'cancel' } as const;

export const searchAttributeNames = {
  tenant: 'TenantId',
  template: 'TemplateKey',
  stream: 'Stream',
  provider: 'Provider',
  status: 'SendStatus',
} as const;

/** The line that the Web UI shows for a run. */
export function sendMessageSummary(input: {
  stream: string;
  templateKey?: string | undefined;
}): string {
  return input.templateKey === undefined
    ? `${input.stream} message`
    : `${input.stream} message from template ${input.templateKey}`;
}

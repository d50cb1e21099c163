import type { SandboxUnderTest } from '../../sandbox/sandbox-under-test.ts';
import { cancelMessage } from '../../services/messages/cancel-message.ts';
import { getMessage } from '../../services/messages/read-messages.ts';
import type { AcceptMessageInput } from '../../services/messages/message-input.ts';
import type { ServiceContext } from '../../services/context.ts';
import type { AccountInput } from '../support/tenant.ts';
import { until } from '../support/until.ts';

/** One way in which a run can go. */
export interface RecordedRun {
  name: string;
  account?: AccountInput;
  message?: Partial<AcceptMessageInput>;
  /** Without events nothing clarifies or settles. */
  withoutEvents?: true;
  expiresInMs?: number;
  before?: (sandbox: SandboxUnderTest, ctx: ServiceContext) => Promise<unknown>;
  meanwhile?: (ctx: ServiceContext, id: string) => Promise<unknown>;
  result: { status: string; attempts: number; settledBy?: string };
}

const fault = (then: object, times = 1) => (sandbox: SandboxUnderTest, ctx: ServiceContext) =>
  sandbox.control('POST', '/faults', { provider: 'sendgrid', match: { account: `SG.${ctx.tenant.key}` }, times, then });
const to = (name: string) => ({ to: [{ email: `${name}@example.test` }] });

export const recordedRuns: RecordedRun[] = [
  { name: 'delivered', result: { status: 'sent', attempts: 1, settledBy: 'events' } },
  { name: 'bounced', message: to('bounce'), result: { status: 'sent', attempts: 1, settledBy: 'events' } },
  { name: 'two-recipients', message: { to: [{ email: 'a@example.test' }, { email: 'bounce@example.test' }] }, result: { status: 'sent', attempts: 1, settledBy: 'events' } },
  { name: 'retried', before: fault({ status: 503 }), result: { status: 'sent', attempts: 2, settledBy: 'events' } },
  { name: 'refused', message: to('400'), result: { status: 'failed', attempts: 1, settledBy: 'outcome' } },
  { name: 'acceptance', message: { waitFor: 'acceptance' }, result: { status: 'sent', attempts: 1, settledBy: 'acceptance' } },
  { name: 'no-delivery-events', account: { deliveryEvents: 'none' }, withoutEvents: true, result: { status: 'sent', attempts: 1, settledBy: 'account' } },
  { name: 'window-ended', message: to('silent'), result: { status: 'sent', attempts: 1, settledBy: 'window' } },
  { name: 'clarified-by-event', message: to('accept-then-reset'), result: { status: 'sent', attempts: 1, settledBy: 'events' } },
  { name: 'events-lost', withoutEvents: true, message: to('accept-then-reset'), result: { status: 'unknown', attempts: 1 } },
  { name: 'left-unknown', account: { deliveryEvents: 'none' }, withoutEvents: true, message: to('accept-then-reset'), result: { status: 'unknown', attempts: 1 } },
  {
    name: 'repeated-under-its-id',
    account: { honoursCallId: true },
    before: async (sandbox, ctx) => {
      await sandbox.control('PUT', '/settings', { honoursCallId: true, provider: 'sendgrid' });
      await fault({ resetAfter: true, acceptFirst: true })(sandbox, ctx);
    },
    result: { status: 'sent', attempts: 1, settledBy: 'events' },
  },
  {
    name: 'cancelled-while-held',
    before: fault({ status: 503 }, 9),
    meanwhile: async (ctx, id) => {
      await until(() => getMessage(ctx, id), ({ status }) => status === 'held');
      await cancelMessage(ctx, id);
    },
    result: { status: 'cancelled', attempts: 2 },
  },
  { name: 'expired', before: fault({ status: 503 }, 9), expiresInMs: 2_500, result: { status: 'failed', attempts: 2 } },
];

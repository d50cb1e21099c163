import { newUuid } from '../runtime/new-uuid.ts';
import { AuditEntry } from '../schema/entities/tenancy.ts';
import { toPublicId } from '../domain/ids.ts';
import type { Platform, TenantHandle } from './platform.ts';

export type AlarmKind = 'duplicate_detected' | 'unknown_outcome';

/** Something that a person must look at: a log line at error, a counter, an audit entry. Never throws. */
export async function raiseAlarm(
  platform: Platform,
  tenant: TenantHandle,
  kind: AlarmKind,
  about: { messageId: string },
): Promise<void> {
  const subject = toPublicId('message', about.messageId);
  platform.log.error({ alarm: kind, tenant: tenant.key, messageId: subject }, `alarm: ${kind}`);
  platform.metrics.alarms.inc({ kind });
  try {
    await platform.app.inTenant(tenant.id, (em) => {
      em.create(AuditEntry, {
        id: newUuid(),
        tenantId: tenant.id,
        at: platform.now(),
        actor: 'platform',
        action: `alarm.${kind}`,
        subject,
      });
      return Promise.resolve();
    });
  } catch (error) {
    platform.log.warn({ err: error, alarm: kind }, 'the alarm is logged, but not in the audit log');
  }
}

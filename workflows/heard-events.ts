import type { DeliveryEventSignal } from './contracts.ts';

/** What a run was told of its recipients. Signals may come twice and in any order; what settles one stands. */
export class HeardEvents {
  readonly #kinds = new Map<string, string>();

  hear({ recipientId, kind }: DeliveryEventSignal): void {
    if (!this.isSettled(recipientId)) this.#kinds.set(recipientId, kind);
  }

  /** Something was heard, so an unknown call is clear. */
  isClear(recipientId: string): boolean {
    return this.#kinds.has(recipientId);
  }

  /** A signal that only clarified an unknown call says `sent` or `deferred`; the recipient is still open then. */
  isSettled(recipientId: string): boolean {
    const kind = this.#kinds.get(recipientId);
    return kind !== undefined && kind !== 'sent' && kind !== 'deferred';
  }
}

const SLOT_MS = 50;

/** Things that are due at a time, in slots of 50 ms: cheap for a hundred thousand of them. */
export class TimeWheel<T> {
  readonly #slots = new Map<number, { dueMs: number; item: T }[]>();

  add(dueMs: number, item: T): void {
    const slot = Math.ceil(dueMs / SLOT_MS);
    const items = this.#slots.get(slot);
    if (items) items.push({ dueMs, item });
    else this.#slots.set(slot, [{ dueMs, item }]);
  }

  /** Removes and returns what is due, in order of time; what was added first goes first. */
  take(nowMs: number): T[] {
    const nowSlot = Math.floor(nowMs / SLOT_MS);
    const due: { dueMs: number; item: T }[] = [];
    for (const [slot, items] of this.#slots) {
      if (slot > nowSlot) continue;
      for (const item of items) due.push(item);
      this.#slots.delete(slot);
    }
    return due.sort((a, b) => a.dueMs - b.dueMs).map(({ item }) => item);
  }
}

/** Values by key up to a total size, the least recently used forgotten first. What is too large alone is not kept. */
export class SizedCache<Value> {
  // A Map keeps the order of insertion: the first is the oldest.
  readonly #entries = new Map<string, { value: Value; size: number }>();
  readonly #largest: number;
  #total = 0;

  constructor(largest: number) {
    this.#largest = largest;
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: Value, size: number): void {
    this.#forget(key);
    this.#entries.set(key, { value, size });
    this.#total += size;
    for (const oldest of this.#entries.keys()) {
      if (this.#total <= this.#largest) return;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    this.#total -= this.#entries.get(key)?.size ?? 0;
    this.#entries.delete(key);
  }
}

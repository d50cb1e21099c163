import { createHash } from 'node:crypto';
import type { ProviderAccount } from './provider.ts';

interface Entry<Client> {
  fingerprint: string;
  client: Client;
}

interface CacheOptions<Client, Credentials, Settings> {
  /** Above it the account used longest ago loses its client. */
  max: number;
  create: (account: ProviderAccount<Credentials, Settings>) => Client;
  /** Must let calls in flight end: the client may be busy when its account changes. */
  close: (client: Client) => void;
}

/** One client, with its connections, per provider account; changed credentials or settings make a new one. */
export class AccountCache<Client, Credentials = unknown, Settings = unknown> {
  readonly #entries = new Map<string, Entry<Client>>();
  readonly #options: CacheOptions<Client, Credentials, Settings>;

  constructor(options: CacheOptions<Client, Credentials, Settings>) {
    this.#options = options;
  }

  get(account: ProviderAccount<Credentials, Settings>): Client {
    const fingerprint = createHash('sha256')
      .update(JSON.stringify([account.credentials, account.settings]))
      .digest('base64');
    const known = this.#entries.get(account.id);
    this.#entries.delete(account.id); // set again below: a Map keeps the order of use
    if (known?.fingerprint === fingerprint) {
      this.#entries.set(account.id, known);
      return known.client;
    }
    if (known) this.#options.close(known.client);
    const client = this.#options.create(account);
    this.#entries.set(account.id, { fingerprint, client });
    this.#closeLongestUnused();
    return client;
  }

  closeAll(): void {
    for (const { client } of this.#entries.values()) this.#options.close(client);
    this.#entries.clear();
  }

  #closeLongestUnused(): void {
    for (const [id, { client }] of this.#entries) {
      if (this.#entries.size <= this.#options.max) return;
      this.#entries.delete(id);
      this.#options.close(client);
    }
  }
}

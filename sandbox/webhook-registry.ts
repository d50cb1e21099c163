import { join } from 'node:path';
import { z } from 'zod';
import { PlatformError } from '../domain/platform-error.ts';
import type { WebhookStyle } from './provider.ts';
import { readState, writeState } from './state-file.ts';

const storedSchema = z.strictObject({
  keys: z.record(z.string(), z.record(z.string(), z.string())),
  targets: z.array(z.strictObject({ provider: z.string(), account: z.string(), url: z.url() })),
});

/** Where each account's events go, and the keys they are signed with; kept over a restart. */
export class WebhookRegistry {
  readonly #path: string;
  readonly #keys: Record<string, Record<string, string>>;
  readonly #urls = new Map<string, { provider: string; account: string; url: string }>();

  private constructor(path: string, stored: z.infer<typeof storedSchema>) {
    this.#path = path;
    this.#keys = stored.keys;
    for (const target of stored.targets) this.#urls.set(targetKey(target), target);
  }

  /** Makes the keys that are missing. */
  static async open(
    folder: string,
    styles: readonly { kind: string; webhook?: WebhookStyle }[],
  ): Promise<WebhookRegistry> {
    const path = join(folder, 'webhooks.json');
    const stored = (await readState(path, storedSchema)) ?? { keys: {}, targets: [] };
    const missing = styles.filter(
      ({ kind, webhook }) => webhook && stored.keys[kind] === undefined,
    );
    for (const { kind, webhook } of missing) stored.keys[kind] = webhook?.createKeys() ?? {};
    const registry = new WebhookRegistry(path, stored);
    if (missing.length > 0) await registry.#save();
    return registry;
  }

  get hasTargets() {
    return this.#urls.size > 0;
  }

  keysOf(provider: string): Record<string, string> {
    return this.#keys[provider] ?? {};
  }

  findUrl(provider: string, account: string): string | undefined {
    return this.#urls.get(targetKey({ provider, account }))?.url;
  }

  list() {
    return [...this.#urls.values()];
  }

  async set(provider: string, account: string, url: string): Promise<void> {
    assertLoopback(url);
    this.#urls.set(targetKey({ provider, account }), { provider, account, url });
    await this.#save();
  }

  async remove(provider: string, account: string): Promise<void> {
    this.#urls.delete(targetKey({ provider, account }));
    await this.#save();
  }

  #save(): Promise<void> {
    return writeState(this.#path, { keys: this.#keys, targets: this.list() });
  }
}

function targetKey({ provider, account }: { provider: string; account: string }): string {
  return `${provider}/${account}`;
}

/** The sandbox posts to this machine only: it must not become a way to reach others. */
function assertLoopback(url: string): void {
  const { protocol, hostname } = new URL(url); // other spellings of an IPv4 address are normalised by URL
  const isLoopback = /^127\.\d+\.\d+\.\d+$/.test(hostname) || hostname === '[::1]';
  if ((isLoopback || hostname === 'localhost') && /^https?:$/.test(protocol)) return;
  throw new PlatformError(
    'invalid',
    `url: ${hostname} is not this machine. The sandbox posts events to 127.0.0.0/8, [::1] or localhost over HTTP(S).`,
  );
}

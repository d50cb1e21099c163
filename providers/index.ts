import type { Provider } from './provider.ts';
import { sendgrid } from './sendgrid/provider.ts';
import { smtp } from './smtp/provider.ts';
import { takingStoredAccounts } from './stored-account.ts';

/** Every mail provider that is built; a new one is a folder and a row here. */
export const providers = {
  sendgrid: takingStoredAccounts(sendgrid),
  smtp: takingStoredAccounts(smtp),
} as const satisfies Record<string, Provider>;

export type ProviderKind = keyof typeof providers;

export const providerKinds = Object.keys(providers) as ProviderKind[]; // they are the keys

/** Undefined for a kind that is not built. */
export function findProvider(kind: string): Provider | undefined {
  return providerKinds.includes(kind as ProviderKind) ? providers[kind as ProviderKind] : undefined;
}

/** For the end of a process, after its last call. */
export function closeProviders(): void {
  for (const provider of Object.values(providers)) provider.close();
}

import type { z } from 'zod';
import { PlatformError, type ErrorItem } from '../../domain/platform-error.ts';
import type { Provider } from '../../providers/provider.ts';
import type { Mode, ServiceContext } from '../context.ts';
import { hostProblem, isSandbox } from './open-account.ts';

/** What the provider's own schemas judge. */
export interface ProviderFields {
  credentials: Record<string, unknown>;
  settings: Record<string, unknown>;
  /** Absent or null: none yet. */
  webhook: Record<string, unknown> | null;
}

/**
 * Judges the fields that mean something else for each provider, and where they lead.
 * @throws invalid with every problem and its place
 */
export function checkAccountFields(
  ctx: Pick<ServiceContext, 'platform'>,
  provider: Provider,
  fields: ProviderFields,
  { mode, honoursCallId }: { mode: Mode; honoursCallId: boolean },
): void {
  const problems = [
    ...findProblems('/credentials', provider.credentialsSchema, fields.credentials),
    ...findProblems('/settings', provider.settingsSchema, fields.settings),
    ...webhookProblems(provider, fields.webhook),
  ];
  if (!problems.some(({ pointer }) => pointer.startsWith('/settings')))
    problems.push(...placeProblems(ctx, provider, fields.settings, mode, honoursCallId));
  if (problems.length > 0)
    throw new PlatformError('invalid', problems[0]?.detail ?? 'The account is not valid.', {
      errors: problems,
    });
}

function webhookProblems(provider: Provider, webhook: ProviderFields['webhook']): ErrorItem[] {
  if (webhook === null) return [];
  if (provider.webhook) return findProblems('/webhook', provider.webhook.secretsSchema, webhook);
  return Object.keys(webhook).map((name) => ({
    pointer: `/webhook/${name}`,
    code: 'unknown_field',
    detail: `${provider.kind} reports no events, so there is nothing to set.`,
  }));
}

function placeProblems(
  { platform }: Pick<ServiceContext, 'platform'>,
  provider: Provider,
  settings: Record<string, unknown>,
  mode: Mode,
  honoursCallId: boolean,
): ErrorItem[] {
  const { host, port } = provider.endpoint(settings);
  const field = 'host' in settings ? 'host' : 'baseUrl';
  const problem = hostProblem(platform.settings, provider, settings, mode);
  return [
    ...(problem === undefined
      ? []
      : [{ pointer: `/settings/${field}`, code: 'host_not_allowed', detail: problem }]),
    ...(honoursCallId && !isSandbox(platform.settings, host, port)
      ? [
          {
            pointer: '/honoursCallId',
            code: 'not_supported',
            detail: 'Only the sandbox answers a repeated call as it answered the first.',
          },
        ]
      : []),
  ];
}

/** A schema's issues as items. What it would drop without a word is named too: it may be a misspelt secret. */
function findProblems(
  pointer: string,
  schema: z.ZodType,
  value: Record<string, unknown>,
): ErrorItem[] {
  const result = schema.safeParse(value);
  if (result.success) {
    const known = Object.keys(result.data as object);
    return Object.keys(value)
      .filter((name) => !known.includes(name))
      .map((name) => ({
        pointer: `${pointer}/${name}`,
        code: 'unknown_field',
        detail: `There is no field "${name}".`,
      }));
  }
  return result.error.issues.map(({ path, message }) => ({
    pointer: [pointer, ...path].join('/'),
    code: path.length > 0 && value[String(path[0])] === undefined ? 'required' : 'invalid_value',
    detail: `${path.join('.') || pointer.slice(1)}: ${message}.`,
  }));
}

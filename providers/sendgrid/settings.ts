import { z } from 'zod';

const HOSTS = { us: 'api.sendgrid.com', eu: 'api.eu.sendgrid.com' };

export const credentialsSchema = z.object({
  apiKey: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'must be the API key as SendGrid shows it, without spaces or breaks')
    .describe('API key with the scope Mail Send.'),
});
export type SendGridCredentials = z.infer<typeof credentialsSchema>;

export const settingsSchema = z.object({
  region: z.enum(['us', 'eu']).default('us').describe('Where SendGrid keeps the data.'),
  baseUrl: z
    .url({ protocol: /^https?$/ })
    .refine(isBareUrl, 'must be scheme, host, port and path only')
    .optional()
    .describe('Instead of SendGrid’s own host, for example the sandbox.'),
});
export type SendGridSettings = z.infer<typeof settingsSchema>;

export const secretsSchema = z.object({
  signingKey: z.base64().min(1).describe('Verification key as SendGrid shows it (base64 SPKI).'),
});
export type SendGridSecrets = z.infer<typeof secretsSchema>;

export function baseUrlOf({ region, baseUrl }: SendGridSettings): string {
  return baseUrl === undefined ? `https://${HOSTS[region]}/` : new URL(baseUrl).href;
}

export function endpointOf(settings: SendGridSettings) {
  const { protocol, hostname, port } = new URL(baseUrlOf(settings));
  return {
    host: hostname,
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
    isOwn: protocol === 'https:' && port === '' && Object.values(HOSTS).includes(hostname),
  };
}

function isBareUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { search, hash, username, password } = new URL(text);
  return `${search}${hash}${username}${password}` === '';
}

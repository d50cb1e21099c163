import { BlockList, isIP } from 'node:net';
import { z } from 'zod';

const noBreaks = /^[^\r\n\0]*$/;

/** None at all for a relay that knows us by our address. */
export const credentialsSchema = z.object({
  user: z.string().regex(noBreaks, 'must not contain line breaks').default(''),
  pass: z.string().regex(noBreaks, 'must not contain line breaks').default(''),
});
export type SmtpCredentials = z.infer<typeof credentialsSchema>;

export const settingsSchema = z
  .object({
    host: z
      .string()
      .regex(/^[a-z0-9.:_-]+$/i, 'must be a host name or an IP address')
      .describe('The relay.'),
    port: z.int().min(1).max(65535).default(587).describe('465 for TLS from the start.'),
    secure: z
      .union([z.boolean(), z.literal('starttls')])
      .optional()
      .describe(
        'true: TLS from the start; "starttls": TLS or nothing; false: plain text. By default true on port 465, false ' +
          'on this machine, else "starttls".',
      ),
  })
  .transform(({ secure, ...settings }) => ({
    ...settings,
    secure: secure ?? (settings.port === 465 || (isLoopback(settings.host) ? false : 'starttls')),
  }));
export type SmtpSettings = z.infer<typeof settingsSchema>;

/** Why these must not be used: a password never crosses a network in plain text. */
export function findInsecurity(
  { user }: SmtpCredentials,
  { host, secure }: SmtpSettings,
): string | undefined {
  if (user === '' || secure !== false || isLoopback(host)) return undefined;
  return 'settings.secure: a password over plain text only goes to this machine; use "starttls" or true.';
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === 'localhost';
  return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

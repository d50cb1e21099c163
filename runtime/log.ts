import { pino, type Logger } from 'pino';

export type Log = Logger;

const EMAIL = /[^\s<>"'(),;:\\]+@[^\s<>"'(),;:\\]+/g;
const SECRET =
  /\b(ep_(?:live|test|admin)_[A-Za-z0-9]{4})[A-Za-z0-9_-]+|\b(SG\.)[\w.-]+|(:\/\/[^:/\s]+:)[^@/\s]+(?=@)/g;

/** Addresses and secrets out of a text, whoever wrote it. */
export function redact(text: string): string {
  return text
    .replace(
      SECRET,
      (_, key?: string, sendgrid?: string, url?: string) => `${key ?? sendgrid ?? url ?? ''}***`,
    )
    .replace(EMAIL, '[address]');
}

/**
 * JSON lines. `error`: someone must act now; `warn`: it heals by itself. The finished line is redacted, so that no
 * field, message or stack can carry an address or a key out.
 */
export function createLog(
  service: string,
  level: string,
  destination: { write: (line: string) => void } = process.stdout,
): Log {
  return pino(
    {
      level,
      base: { service },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.errWithCause },
    },
    { write: (line: string) => destination.write(redact(line)) },
  );
}

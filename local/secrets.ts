import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const password = z.string().min(16);
const secretsSchema = z.object({
  /** 32 bytes, base64. Losing it loses all stored content. */
  masterKey: z.string().refine((text) => Buffer.from(text, 'base64').length === 32),
  passwords: z.object({
    postgres: password,
    owner: password,
    app: password,
    relay: password,
    operator: password,
  }),
});
export type Secrets = z.infer<typeof secretsSchema>;
export type RolePasswords = Secrets['passwords'];

export const SECRETS_FILE = 'secrets.json';

/** The secrets of a data folder, made once; readable by their owner only. */
export function readOrMakeSecrets(dataDir: string): Secrets {
  const file = join(dataDir, SECRETS_FILE);
  if (!existsSync(file)) makeSecrets(file);
  try {
    return secretsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new Error(
      `${file} cannot be read. Restore it, or give up the data with \`npm run reset\`.`,
      {
        cause: error,
      },
    );
  }
}

function makeSecrets(file: string): void {
  const secrets: Secrets = {
    masterKey: randomBytes(32).toString('base64'),
    passwords: randomPasswords(),
  };
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600, flush: true });
  try {
    linkSync(temporary, file); // never replaces secrets that another start has just made
  } catch (error) {
    if (!existsSync(file)) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

export function randomPasswords(): RolePasswords {
  const one = () => randomBytes(24).toString('base64url');
  return { postgres: one(), owner: one(), app: one(), relay: one(), operator: one() };
}

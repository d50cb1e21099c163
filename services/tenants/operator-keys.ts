import { query } from '../../runtime/database.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import type { Platform } from '../platform.ts';
import { newKey } from './new-key.ts';

/** A new key for `/v1/admin`; the secret is in this answer and nowhere else. */
export async function createOperatorKey(
  platform: Platform,
  name: string,
): Promise<{ id: string; secret: string }> {
  const id = newUuid();
  const { secret, hint, hash } = newKey(platform.vault, 'admin');
  await platform.operator.transaction((em) =>
    query(em, 'INSERT INTO operator_keys (id, name, hint, hash) VALUES ($1, $2, $3, $4)', [
      id,
      name,
      hint,
      hash,
    ]),
  );
  return { id, secret };
}

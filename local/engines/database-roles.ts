import pg from 'pg';
import type { RolePasswords } from '../secrets.ts';

export const DATABASE = 'email';

/**
 * Roles and the database, as superuser; can be repeated. `owner` runs the migrations and is no superuser; `app`,
 * `relay`, `operator` log in; `lookup` cannot, it owns the look-up functions, so `owner` must be a member to make them.
 */
export async function createRolesAndDatabase(superuserUrl: string, passwords: RolePasswords) {
  const client = new pg.Client({
    connectionString: superuserUrl,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
  });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      'select rolname as name from pg_roles union all select datname from pg_database',
    );
    const existing = new Set(rows.map((row) => row.name));
    for (const [role, options] of Object.entries(roleOptions(passwords))) {
      const verb = existing.has(role) ? 'alter' : 'create';
      await client.query(`${verb} role ${role} ${options}`);
    }
    await client.query('grant lookup to owner');
    // Byte order, the same on every system and version of it.
    if (!existing.has(DATABASE))
      await client.query(
        `create database ${DATABASE} owner owner template template0 encoding 'UTF8'
         locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'`,
      );
  } finally {
    await client.end();
  }
}

function roleOptions(passwords: RolePasswords) {
  const login = (password: string) =>
    `login nosuperuser nobypassrls password ${pg.escapeLiteral(password)}`;
  return {
    owner: `${login(passwords.owner)} createrole`,
    app: login(passwords.app),
    relay: login(passwords.relay),
    operator: login(passwords.operator),
    lookup: 'nologin nosuperuser nobypassrls',
  };
}

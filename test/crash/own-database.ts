import pg from 'pg';

export interface OwnDatabase {
  /** The URL, with this database instead of its own. */
  urlOf: (url: string) => string;
  drop: () => Promise<void>;
}

/** A database of a run's own in the running PostgreSQL, so that its workers sweep up nothing of others. */
export async function createOwnDatabase(superuserUrl: string, name: string): Promise<OwnDatabase> {
  const asSuperuser = async (sql: string) => {
    const client = new pg.Client({ connectionString: superuserUrl, query_timeout: 30_000 });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await asSuperuser(
    `create database ${name} owner owner template template0 encoding 'UTF8'
       locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'`,
  );
  return {
    urlOf: (url) => Object.assign(new URL(url), { pathname: `/${name}` }).href,
    drop: () => asSuperuser(`drop database if exists ${name} with (force)`),
  };
}

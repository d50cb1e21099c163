import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { keyFiles } from './platform.ts';

export interface SummaryInput {
  addresses: Record<string, string>;
  dataDir: string;
  /** Paths are shown from here. */
  from: string;
}

/** What runs where, the keys, and a call to copy. Only what is known is shown. */
export function summaryOf({ addresses, dataDir, from }: SummaryInput): string {
  const path = (name: string) => {
    const near = relative(from, join(dataDir, name));
    return near.startsWith('..') ? join(dataDir, name) : near;
  };
  const { API_URL, TEMPORAL_UI_URL, CLICKHOUSE_URL, SANDBOX_URL, SANDBOX_SMTP } = addresses;
  const keys = Object.entries(keyFiles)
    .filter(([, file]) => existsSync(join(dataDir, file)))
    .map(([label, file]): [string, string] => [label, path(file)]);
  const rows: [string, string | undefined][] = [
    ['API', API_URL],
    ['API docs', API_URL && `${API_URL}/docs`],
    ['Temporal Web UI', TEMPORAL_UI_URL],
    ['Sandbox inbox', SANDBOX_URL],
    ['Sandbox SMTP', SANDBOX_SMTP],
    ['ClickHouse', CLICKHOUSE_URL],
    ['PostgreSQL', psqlLine(addresses.DATABASE_OWNER_URL, path('pgpass'))],
    ...keys,
    ['Logs', path('logs')],
  ];
  const call =
    API_URL && keys.length > 0
      ? ['', 'Send a mail:', '', curlFor(API_URL, path), '', 'Or see more: npm run demo']
      : [];
  return [tableOf(rows), ...call].join('\n');
}

/** Two columns; rows without a value are left out. */
export function tableOf(rows: [string, string | undefined][]): string {
  const known = rows.filter((row): row is [string, string] => Boolean(row[1]));
  const width = Math.max(...known.map(([label]) => label.length));
  return known.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`).join('\n');
}

/** The password is in a file that psql reads: no secret on the screen. */
function psqlLine(url: string | undefined, passwordFile: string): string | undefined {
  if (url === undefined) return undefined;
  const { hostname, port, username, pathname } = new URL(url);
  return `PGPASSFILE=${passwordFile} psql -h ${hostname} -p ${port || '5432'} -U ${username} ${pathname.slice(1)}`;
}

/** The lines of a password file (libpq's format) for each URL that has a password. */
export function passwordFileOf(urls: (string | undefined)[]): string {
  const escape = (text: string) => decodeURIComponent(text).replace(/[\\:]/g, '\\$&');
  return urls
    .flatMap((text) => (text === undefined ? [] : [new URL(text)]))
    .map(({ hostname, port, pathname, username, password }) =>
      [hostname, port || '5432', pathname.slice(1), username, password].map(escape).join(':'),
    )
    .map((line) => `${line}\n`)
    .join('');
}

function curlFor(apiUrl: string, path: (name: string) => string): string {
  const body = {
    from: 'Acme <hello@acme.test>',
    to: 'ada@example.com',
    subject: 'Hello {{ name }}',
    text: 'Dear {{ name }}, this mail explains itself.',
    variables: { name: 'Ada' },
  };
  return [
    `  curl -s ${apiUrl}/v1/messages \\`,
    `    -H "Authorization: Bearer $(cat ${path(keyFiles['Demo key (live)'])})" \\`,
    `    -H 'Content-Type: application/json' \\`,
    `    -d '${JSON.stringify(body)}'`,
  ].join('\n');
}

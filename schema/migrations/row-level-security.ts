// The wall between tenants, stated once. A table that a migration makes passes through here.

// After a transaction the setting is an empty text, not null; the cast would fail on it.
const CURRENT_TENANT = `nullif(current_setting('app.tenant_id', true), '')::uuid`;

export interface Wall {
  /** Column that holds the tenant; `id` for the table of tenants itself. */
  column?: string;
  /** What role `app` may do, always within its tenant. */
  app: string;
  /** What other roles may do over all tenants. */
  everywhere?: Partial<Record<'relay' | 'operator' | 'lookup', string>>;
}

/** SQL that walls a table off and grants what is named, nothing else. */
export function wallOff(
  table: string,
  { column = 'tenant_id', app, everywhere = {} }: Wall,
): string {
  const condition = `${column} = ${CURRENT_TENANT}`;
  const statements = [
    `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`,
    `ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`,
    `CREATE POLICY tenant ON ${table} TO app USING (${condition}) WITH CHECK (${condition})`,
    `GRANT ${app} ON ${table} TO app`,
  ];
  for (const [role, privileges] of Object.entries(everywhere)) {
    statements.push(
      `CREATE POLICY ${role} ON ${table} TO ${role} USING (true) WITH CHECK (true)`,
      `GRANT ${privileges} ON ${table} TO ${role}`,
    );
  }
  return statements.join(';\n');
}

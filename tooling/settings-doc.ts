import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { z } from 'zod';
import { settingSchemas } from '../runtime/settings.ts';

// Writes docs/settings.md from runtime/settings.ts.
//   node tooling/settings-doc.ts          writes it
//   node tooling/settings-doc.ts --check  exits 1 when it is not up to date

const FILE = fileURLToPath(new URL('../docs/settings.md', import.meta.url));

type Shape = Readonly<Record<string, z.core.$ZodType>>;
const { local, api, worker, sandbox, clickhouseFront } = settingSchemas;
const names = (shape: Shape) => Object.keys(shape);
const inBoth = names(api.shape).filter((name) => name in worker.shape);

const sections: { title: string; text: string; shape: Shape; of: string[] }[] = [
  {
    title: 'npm start',
    text: 'Everything is optional. What the supervisor knows it passes on to what it starts.',
    shape: local.shape,
    of: names(local.shape),
  },
  {
    title: 'API and worker',
    text: 'What `api/main.ts` and `worker/main.ts` both read.',
    shape: worker.shape,
    of: inBoth,
  },
  {
    title: 'API',
    text: '`api/main.ts` alone.',
    shape: api.shape,
    of: names(api.shape).filter((name) => !inBoth.includes(name)),
  },
  {
    title: 'Worker',
    text: '`worker/main.ts` alone.',
    shape: worker.shape,
    of: names(worker.shape).filter((name) => !inBoth.includes(name)),
  },
  {
    title: 'Sandbox',
    text: '`sandbox/main.ts`.',
    shape: sandbox.shape,
    of: names(sandbox.shape),
  },
  {
    title: 'Local ClickHouse',
    text: '`local/clickhouse/main.ts`: chDB behind the HTTP protocol of ClickHouse.',
    shape: clickhouseFront.shape,
    of: names(clickhouseFront.shape),
  },
];

function document(): string {
  const head = [
    '# Settings',
    'Environment variables, read in one place: `runtime/settings.ts`. An empty variable counts as absent; a wrong one stops the process with a sentence that names it. This page is made by `npm run docs:settings`.',
  ];
  const tables = sections.flatMap(({ title, text, shape, of }) => [
    `## ${title}`,
    text,
    [
      '| setting | default | what it is |',
      '| --- | --- | --- |',
      ...of.map((name) => row(name, shape[name])),
    ].join('\n'),
  ]);
  return `${[...head, ...tables].join('\n\n')}\n`;
}

function row(name: string, schema: z.core.$ZodType | undefined): string {
  if (schema === undefined) throw new Error(`There is no setting ${name}.`);
  return `| \`${name}\` | ${defaultOf(schema)} | ${descriptionOf(schema) ?? ''} |`;
}

function defaultOf(schema: z.core.$ZodType): string {
  const result = z.safeParse(schema, undefined);
  if (!result.success) return '**required**';
  const { data } = result;
  const isNothing = data === undefined || data === '' || (Array.isArray(data) && data.length === 0);
  return isNothing ? '–' : `\`${typeof data === 'string' ? data : JSON.stringify(data)}\``;
}

/** What is wrapped (optional, with a default) may carry the description inside. */
function descriptionOf(schema: z.core.$ZodType): string | undefined {
  const description = z.globalRegistry.get(schema)?.description;
  if (description !== undefined) return description;
  const { def } = schema._zod;
  const inner = 'innerType' in def ? def.innerType : 'in' in def ? def.in : undefined;
  return inner instanceof z.core.$ZodType ? descriptionOf(inner) : undefined;
}

const text = await format(document(), { ...(await resolveConfig(FILE)), parser: 'markdown' });
if (!process.argv.includes('--check')) writeFileSync(FILE, text);
else if (!existsSync(FILE) || readFileSync(FILE, 'utf8') !== text) {
  console.error('docs/settings.md is not up to date: run `npm run docs:settings`.');
  process.exitCode = 1;
}

import { errorCodes } from '../domain/platform-error.ts';
import type { createOpenApi } from './openapi.ts';
import type { Route } from './route.ts';
import { exampleOf, showSchema, type JsonSchema } from './show-schema.ts';

type OpenApi = ReturnType<typeof createOpenApi>;

export const DOCS_CSS = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #2f6fdb }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1.5rem }
h1, h2, h3 { line-height: 1.25 } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) }
a { color: var(--accent) } nav ul { columns: 2 18rem; list-style: none; padding: 0 } nav li { break-inside: avoid }
details { border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; padding: 0 1rem }
summary { cursor: pointer; padding: .6rem 0 } summary b { display: inline-block; min-width: 3.5rem }
code, pre { font: 13px/1.5 ui-monospace, monospace } pre { background: var(--soft); padding: .8rem; overflow-x: auto; border-radius: 6px }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; border-top: 1px solid var(--line); padding: .3rem .6rem .3rem 0 }
`;

/** The documentation as one page without scripts: it works offline and under the strictest policy. */
export function createDocsPage(document: OpenApi, routes: Route[], baseUrl: string): string {
  const tags = [...new Set(routes.map(({ tag }) => tag))];
  const sections = tags.map((tag) => {
    const inTag = routes.filter((route) => route.tag === tag);
    return `<h2 id="${slug(tag)}">${escape(tag)}</h2>${inTag
      .map((route) => operation(route, document, baseUrl))
      .join('')}`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Email Platform API</title><style>${DOCS_CSS}</style></head><body>
<h1>Email Platform API</h1>
<p>Send <code>Authorization: Bearer &lt;key&gt;</code> with every call, and an <code>Idempotency-Key</code> with every POST
that must not happen twice. The machine-readable document is <a href="/openapi.json">/openapi.json</a>.</p>
<nav><ul>${tags.map((tag) => `<li><a href="#${slug(tag)}">${escape(tag)}</a></li>`).join('')}
<li><a href="#errors">Errors</a></li><li><a href="#schemas">Schemas</a></li></ul></nav>
${sections.join('\n')}
<h2 id="errors">Errors</h2>
<p>Errors are <code>application/problem+json</code>; <code>code</code> is for programs, <code>detail</code> for people, and
<code>errors</code> has an item with a JSON pointer for each thing that is wrong.</p>
<table><tr><th>Status</th><th>Code</th><th></th></tr>${Object.entries(errorCodes)
    .map(
      ([code, { status, title, retryable }]) =>
        `<tr id="${code}"><td>${status}</td><td><code>${code}</code></td><td>${escape(title)}${retryable ? ' · can be repeated' : ''}</td></tr>`,
    )
    .join('')}</table>
<h2 id="schemas">Schemas</h2>
${Object.entries(document.components?.schemas ?? {})
  .map(
    ([name, schema]) =>
      `<details id="schema-${escape(name)}"><summary><code>${escape(name)}</code></summary><pre>${linkRefs(escape(showSchema(schema as JsonSchema)))}</pre></details>`,
  )
  .join('')}
</body></html>
`;
}

function operation(route: Route, document: OpenApi, baseUrl: string): string {
  const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
  const described = document.paths?.[path]?.[route.method];
  const body = described?.requestBody as Content | undefined;
  const answer = described?.responses?.[String(route.status)] as Content | undefined;
  const parameters = (described?.parameters ?? []) as Parameter[];
  return `<details id="${route.operationId}">
<summary><b>${route.method.toUpperCase()}</b> <code>${escape(path)}</code> · ${escape(route.summary)}</summary>
<p>${prose(described?.description ?? '')}</p>
<pre>${escape(curl(route, document, baseUrl, body))}</pre>
${parameters.length > 0 ? parameterTable(parameters) : ''}
${body ? schemaBlock('Body', body) : ''}
${answer ? schemaBlock(`Answer ${route.status}`, answer) : ''}
</details>`;
}

interface Content {
  content?: Record<string, { schema?: JsonSchema }>;
}
interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: JsonSchema;
}

function parameterTable(parameters: Parameter[]): string {
  const rows = parameters.map(
    ({ name, in: place, required, description, schema }) =>
      `<tr><td><code>${escape(name)}</code></td><td>${place}${required ? ', required' : ''}</td><td>${prose(description ?? schema?.description ?? '')} <code>${escape(showSchema(schema ?? {}))}</code></td></tr>`,
  );
  return `<table>${rows.join('')}</table>`;
}

function schemaBlock(title: string, { content = {} }: Content): string {
  return Object.entries(content)
    .filter(([, { schema }]) => schema !== undefined)
    .map(
      ([type, { schema }]) =>
        `<h4>${escape(title)}: <code>${escape(type)}</code></h4><pre>${linkRefs(escape(showSchema(schema ?? {})))}</pre>`,
    )
    .join('');
}

function curl(route: Route, document: OpenApi, baseUrl: string, body: Content | undefined): string {
  const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
  const method = route.method === 'get' ? '' : ` -X ${route.method.toUpperCase()}`;
  const lines = [`curl${method} ${baseUrl}${path}`, '-H "Authorization: Bearer $EP_API_KEY"'];
  if (route.method === 'post') lines.push('-H "Idempotency-Key: $(uuidgen)"');
  if (route.method === 'patch' && route.hasEtag) lines.push(`-H 'If-Match: "1"'`);
  const schema = body?.content?.['application/json']?.schema;
  if (schema) {
    const example = JSON.stringify(
      exampleOf(schema, (document.components?.schemas ?? {}) as Record<string, JsonSchema>),
      null,
      2,
    );
    lines.push('-H "Content-Type: application/json"', `-d '${example.replaceAll("'", "'\\''")}'`);
  }
  return lines.join(' \\\n  ');
}

/** `→ Name` in an escaped schema as a link to it. */
function linkRefs(html: string): string {
  return html.replaceAll(/→ (\w+)/g, '→ <a href="#schema-$1">$1</a>');
}

/** `code` and paragraphs of a description. */
function prose(text: string): string {
  return escape(text)
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>')
    .replaceAll('\n\n', '<br>');
}

function slug(text: string): string {
  return text.toLowerCase().replaceAll(/\W+/g, '-');
}

function escape(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? character);
}

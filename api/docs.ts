import { createHash } from 'node:crypto';
import type { Express } from 'express';
import { createDocsPage, DOCS_CSS } from './docs-page.ts';
import { createOpenApi } from './openapi.ts';
import { routes } from './routes/index.ts';

/** `/openapi.json` and the page that shows it. Both are made once. */
export function serveDocs(app: Express, publicUrl: string | undefined): void {
  const document = createOpenApi(routes, publicUrl);
  const json = JSON.stringify(document);
  const page = createDocsPage(document, routes, publicUrl ?? 'http://127.0.0.1:3000');
  const cssHash = createHash('sha256').update(DOCS_CSS).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${cssHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  app.get('/openapi.json', (_request, response) => {
    response.type('application/json').send(json);
  });
  app.get('/docs', (_request, response) => {
    response.setHeader('Content-Security-Policy', policy);
    response.type('text/html').send(page);
  });
}

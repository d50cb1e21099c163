import { once } from 'node:events';
import type { Request, Response } from 'express';
import type { CsvColumns, RawCall, Route } from './route.ts';

type ExportType = 'application/x-ndjson' | 'text/csv';
interface AnyPage {
  data: unknown[];
  nextCursor: string | null;
}

const PAGE = '200';

/** The export that the client prefers to JSON, if any. */
export function exportTypeOf(request: Request): ExportType | undefined {
  const type = request.accepts(['application/json', 'application/x-ndjson', 'text/csv']);
  return type === 'application/x-ndjson' || type === 'text/csv' ? type : undefined;
}

/**
 * A list line by line: the page that `limit` asks for, or without it the whole list, a page at a time. When something
 * breaks after the first line the connection is cut, so that a part is never taken for the whole.
 */
export async function exportList(
  response: Response,
  route: Route,
  call: RawCall,
  type: ExportType,
): Promise<void> {
  const wantsOnePage = call.query['limit'] !== undefined;
  const columns = route.csv ?? {};
  let query = wantsOnePage ? call.query : { ...call.query, limit: PAGE };
  for (let isFirst = true; ; isFirst = false) {
    const { data, nextCursor } = (await route.run({ ...call, query })).body as AnyPage;
    if (isFirst) {
      response.statusCode = route.status;
      response.setHeader('Content-Type', `${type}; charset=utf-8`);
      if (wantsOnePage && nextCursor !== null) response.setHeader('X-Next-Cursor', nextCursor);
      if (type === 'text/csv') response.write(toCsvLine(Object.keys(columns)));
    }
    const lines = data.map((item) =>
      type === 'text/csv' ? toCsvLine(cellsOf(columns, item)) : `${JSON.stringify(item)}\n`,
    );
    if (lines.length > 0 && !response.write(lines.join('')))
      await Promise.race([once(response, 'drain'), closed(response)]);
    if (wantsOnePage || nextCursor === null || response.destroyed) break;
    query = { ...query, cursor: nextCursor };
  }
  response.end();
}

function cellsOf(columns: CsvColumns<unknown>, item: unknown) {
  return Object.values(columns).map((column) => column(item));
}

/** RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe in front. */
export function toCsvLine(cells: (string | number | boolean | null)[]): string {
  const texts = cells.map((cell) => {
    if (typeof cell !== 'string') return cell === null ? '' : String(cell);
    const safe = /^[=+\-@\t\r\n]/.test(cell) ? `'${cell}` : cell;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  });
  return `${texts.join(',')}\r\n`;
}

async function closed(response: Response): Promise<void> {
  if (!response.destroyed) await once(response, 'close');
}

import { isUuid } from '../domain/ids.ts';
import { invalid } from '../domain/platform-error.ts';

export interface PageRequest {
  limit: number;
  cursor?: string | undefined;
  /** Inclusive. */
  since?: Date | undefined;
  /** Exclusive. */
  until?: Date | undefined;
}

export interface Page<T> {
  data: T[];
  nextCursor: string | null;
}

/** A page of at most `limit`; one row more than that was asked for, to know whether another page follows. */
export function pageOf<T>(rows: { cursor: string; view: T }[], limit: number): Page<T> {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    data: page.map(({ view }) => view),
    nextCursor: rows.length > limit && last ? encodeCursor(last.cursor) : null,
  };
}

function encodeCursor(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

export function decodeCursor(cursor: string): string {
  const hex = Buffer.from(cursor, 'base64url').toString('hex');
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  if (!isUuid(id))
    throw invalid('/cursor', 'cursor_invalid', 'Use the nextCursor of the page before, as it is.');
  return id;
}

/** The lowest UUIDv7 of a moment: ids sort by time. */
export function timeToUuid(at: Date): string {
  const hex = Math.max(0, at.getTime()).toString(16).padStart(12, '0').slice(-12);
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** A page's condition on ids, for tables whose ids grow with time. */
export function idRange({ cursor, since, until }: PageRequest): {
  id?: { $gte?: string; $lt?: string };
} {
  const ends = [
    ...(cursor === undefined ? [] : [decodeCursor(cursor)]),
    ...(until === undefined ? [] : [timeToUuid(until)]),
  ];
  const [end] = ends.sort(); // the lower one: ids compare as texts
  if (since === undefined && end === undefined) return {};
  return {
    id: {
      ...(since !== undefined && { $gte: timeToUuid(since) }),
      ...(end !== undefined && { $lt: end }),
    },
  };
}

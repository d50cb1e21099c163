import { PlatformError } from '../domain/platform-error.ts';

/** What `If-Match` says: a version, any (`*`), or nothing. */
export type VersionCondition = number | 'any' | undefined;

/** @throws etag_required, etag_mismatch */
export function checkVersion(condition: VersionCondition, version: number): void {
  if (condition === undefined)
    throw new PlatformError(
      'etag_required',
      'Send If-Match with the ETag of your last GET, so that you do not undo somebody else’s change.',
    );
  if (condition !== 'any' && condition !== version)
    throw new PlatformError(
      'etag_mismatch',
      'It was changed since your last GET. Get it again and repeat the change on what it is now.',
    );
}

import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes way for a new log, and keeps the one of the run before beside it. */
export function rotate(logFile: string): void {
  mkdirSync(dirname(logFile), { recursive: true });
  if (existsSync(logFile)) renameSync(logFile, `${logFile}.1`);
}

/** Where a log of our own goes that has few lines. */
export function appendTo(logFile: string): { write: (line: string) => void } {
  return { write: (line) => appendFileSync(logFile, line) };
}

/** The last lines of a log, indented to stand in a message; empty when there is none. */
export function logTail(logFile: string, lines = 15): string {
  if (!existsSync(logFile)) return '';
  return readFileSync(logFile, 'utf8')
    .trimEnd()
    .split('\n')
    .slice(-lines)
    .filter((line) => line !== '')
    .map((line) => `    ${line.slice(0, 400)}`)
    .join('\n');
}

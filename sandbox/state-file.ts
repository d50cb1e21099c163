import { open, readFile, rename } from 'node:fs/promises';
import type { z } from 'zod';

/** A small JSON document on disk; undefined when there is none yet. Throws when it is there and unreadable. */
export async function readState<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${path} cannot be read; remove it to start anew.`, { cause: error });
  }
}

/** Replaces the document as a whole; a kill leaves the old or the new one. `0600`: it may hold keys. */
export async function writeState(path: string, state: unknown): Promise<void> {
  const next = `${path}.next`;
  const file = await open(next, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(state, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, path);
}

import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';

interface Waiting {
  text: string;
  resolve: () => void;
  reject: (error: unknown) => void;
}

const TAIL_CHUNK_BYTES = 64 * 1024;

/**
 * Lines appended to a file. With `sync` a promise of {@link append} settles after the disk has the lines, one fsync for
 * all that waited meanwhile; without it they survive the death of the process, not of the machine.
 */
export class AppendFile {
  readonly path: string;
  /** The last whole line found when the file was opened. */
  readonly lastLine: string | undefined;
  /** Bytes of a line that was torn by a kill, and is cut off now. */
  readonly tornBytes: number;
  readonly #handle: FileHandle;
  readonly #sync: boolean;
  #sizeBytes: number;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #broken: unknown;

  private constructor(path: string, handle: FileHandle, tail: Tail, sync: boolean) {
    this.path = path;
    this.#handle = handle;
    this.#sync = sync;
    this.#sizeBytes = tail.wholeBytes;
    this.lastLine = tail.lastLine;
    this.tornBytes = tail.tornBytes;
  }

  /** Opens or makes the file and cuts off a torn last line, which nobody was ever told about. */
  static async open(path: string, options: { sync: boolean }): Promise<AppendFile> {
    const handle = await open(path, 'a+');
    const tail = await readTail(handle);
    if (tail.tornBytes > 0) await handle.truncate(tail.wholeBytes);
    if (options.sync) {
      await handle.sync();
      await syncFolder(dirname(path));
    }
    return new AppendFile(path, handle, tail, options.sync);
  }

  get sizeBytes() {
    return this.#sizeBytes;
  }

  /** `lines` is whole lines, each with its line feed. Rejects when they are not in the file. */
  append(lines: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text: lines, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Everything appended before this call is written. */
  flush(): Promise<void> {
    return this.append('');
  }

  /** All lines that were appended before this call, oldest first. */
  async *readLines(): AsyncGenerator<string> {
    await this.flush();
    if (this.#sizeBytes === 0) return;
    yield* createInterface({ input: createReadStream(this.path, { end: this.#sizeBytes - 1 }) });
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#handle.close();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await this.#writeGroup(Buffer.from(group.map(({ text }) => text).join('')));
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#writing = undefined;
  }

  async #writeGroup(bytes: Buffer): Promise<void> {
    if (this.#broken !== undefined)
      throw new Error(`${this.path} can no longer be written`, { cause: this.#broken });
    try {
      await this.#handle.appendFile(bytes);
      if (this.#sync) await this.#handle.datasync();
      this.#sizeBytes += bytes.length;
    } catch (error) {
      // Half a group must not stand before the next one: it would be a torn line in the middle.
      await this.#handle.truncate(this.#sizeBytes).catch(() => (this.#broken = error));
      throw error;
    }
  }
}

interface Tail {
  wholeBytes: number;
  tornBytes: number;
  lastLine: string | undefined;
}

async function readTail(handle: FileHandle): Promise<Tail> {
  const { size } = await handle.stat();
  let tail = Buffer.alloc(0);
  for (let start = size; start > 0;) {
    const length = Math.min(TAIL_CHUNK_BYTES, start);
    start -= length;
    const chunk = Buffer.alloc(length);
    await handle.read(chunk, 0, length, start);
    tail = Buffer.concat([chunk, tail]);
    const end = tail.lastIndexOf(10);
    const begin = end < 0 ? -1 : tail.subarray(0, end).lastIndexOf(10);
    if (end < 0 || (begin < 0 && start > 0)) continue; // the line before is longer than what was read
    const wholeBytes = start + end + 1;
    return {
      wholeBytes,
      tornBytes: size - wholeBytes,
      lastLine: tail.toString('utf8', begin + 1, end),
    };
  }
  return { wholeBytes: 0, tornBytes: size, lastLine: undefined };
}

// A new file is only there after a crash of the machine when its folder is on disk too.
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

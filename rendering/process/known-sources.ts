import type { MailParts } from '../renderer.ts';
import { partNames, type Task } from './protocol.ts';
import { SizedCache } from './sized-cache.ts';

const LARGEST_SOURCES = 16_000_000;

const sizeOf = (parts: MailParts) =>
  partNames.reduce((size, part) => size + (parts[part]?.length ?? 0), 0);

/**
 * Sources that were sent to a process under a cache key, so that a campaign's template crosses once and not with each
 * mail. Parent and process each have one and make the same calls in the same order, so both forget the same.
 */
export class KnownSources {
  readonly #sources = new SizedCache<MailParts>(LARGEST_SOURCES);

  /** Parent: the task as it is sent, without parts that the process knows. */
  pack(task: Task): Task {
    if (task.kind !== 'render' || task.cacheKey === undefined || !task.parts) return task;
    if (this.#sources.get(task.cacheKey)) return { ...task, parts: undefined };
    this.#sources.set(task.cacheKey, task.parts, sizeOf(task.parts));
    return task;
  }

  /** Process: the task with its parts. */
  unpack(task: Task): Task {
    if (task.kind !== 'render' || task.cacheKey === undefined) return task;
    if (!task.parts) return { ...task, parts: this.#sources.get(task.cacheKey) };
    this.#sources.set(task.cacheKey, task.parts, sizeOf(task.parts));
    return task;
  }
}

import type { MailParts, PartName, TemplateError } from '../renderer.ts';

// What parent, renderer process and thread say to each other.

export interface RenderLimits {
  /** CPU time of one mail, in its thread. */
  cpuMs: number;
  /** V8 heap of one thread. */
  memoryMb: number;
  /** All parts of a rendered mail together, in UTF-8. */
  outputBytes: number;
}

export type Task =
  /** Without parts: those that were sent before under the key (see KnownSources). */
  | { kind: 'render'; parts: MailParts | undefined; variables: string; cacheKey?: string }
  | { kind: 'check'; parts: MailParts }
  | { kind: 'variables'; parts: MailParts };

export interface Job {
  id: number;
  task: Task;
  /** Alone in its process after another died: says which part it is at, in case this one dies too. */
  isSolo: boolean;
}

/** `value` by kind of task: RenderedMail, TemplateError[], string[]. */
export type Answer = { ok: true; value: unknown } | { ok: false; error: TemplateError };

export interface RenderedMail {
  parts: MailParts;
  ms: number;
}

export type ProcessMessage =
  | { type: 'ready' }
  | { type: 'answer'; id: number; answer: Answer }
  | { type: 'part'; id: number; part: PartName }
  /** Not rendered, and whose fault it is cannot be told: again, alone. */
  | { type: 'again'; id: number }
  /** A thread cannot be stopped, so the process ends itself. */
  | { type: 'ending' };

/** Slots of the memory that a thread shares with its watcher: the job it is at (its index), its part. */
export const shared = { cpuAtStartMicros: 0, job: 1, part: 2 } as const;
export const sharedBytes = 3 * Float64Array.BYTES_PER_ELEMENT;
export const partNames = ['subject', 'preheader', 'html', 'text'] as const satisfies PartName[];

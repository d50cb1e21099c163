/**
 * Aborts the signal after `timeoutMs`, whatever the work is doing by then: connecting, or reading an answer that comes
 * one byte a second. The libraries' own time-outs begin anew with each step or byte.
 */
export async function withDeadline<Result>(
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** What a run shows of itself in the Web UI: codes and counts only. */
export interface SendView {
  phase: 'sending' | 'held' | 'reconciling' | 'watching' | 'done';
  attempt: number;
  provider: string | null;
  waitsFor: number;
  reason?: string;
  status?: string;
}

const sentences: Record<SendView['phase'], (view: SendView) => string> = {
  sending: ({ attempt }) => `Attempt ${attempt} is running.`,
  held: ({ attempt, reason }) => `Held after attempt ${attempt}: ${reason ?? 'waiting'}.`,
  reconciling: ({ attempt, provider }) =>
    `The answer of attempt ${attempt} at ${provider ?? 'the provider'} was lost and is being clarified.`,
  watching: ({ provider, waitsFor }) =>
    `Accepted by ${provider ?? 'the provider'}; waiting for the delivery of ${waitsFor} recipient${waitsFor === 1 ? '' : 's'}.`,
  done: ({ status, attempt, provider }) =>
    `Done: ${status ?? 'unknown'} after attempt ${attempt}${provider === null ? '' : ` at ${provider}`}.`,
};

export function describeSend(view: SendView): string {
  return sentences[view.phase](view);
}

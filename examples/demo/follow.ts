import { setTimeout as sleep } from 'node:timers/promises';
import type { Customer, Message } from './customer.ts';
import { LiveLines, type Screen } from './screen.ts';

const LOOK_EVERY_MS = 50;

export interface Followed {
  label: string;
  id: string;
  /** Whether nothing more is waited for. */
  isDone: (message: Message) => boolean;
}

/** Shows the messages' statuses as they change, until each is done or the time is over. Returns how they are then. */
export async function follow(
  customer: Customer,
  followed: Followed[],
  screen: Screen,
  withinMs: number,
): Promise<Message[]> {
  const live = new LiveLines(screen);
  const paths = followed.map(() => new Map<string, number>());
  const width = Math.max(...followed.map(({ label }) => label.length));
  const until = Date.now() + withinMs;
  for (;;) {
    const messages = await Promise.all(followed.map(({ id }) => customer.getMessage(id)));
    for (const [i, message] of messages.entries()) notePath(paths[i], message);
    live.show(
      followed.map(({ label }, i) => {
        const path = [...(paths[i] ?? [])].map(
          ([word, ms]) => `${word} ${(ms / 1_000).toFixed(1)} s`,
        );
        return `  ${label.padEnd(width)}  ${path.join(' → ')}`;
      }),
    );
    const areDone = messages.every((message, i) => followed[i]?.isDone(message));
    if (areDone || Date.now() > until) return messages;
    await sleep(LOOK_EVERY_MS);
  }
}

/** Each word once, with the time since acceptance at which it was first seen. */
function notePath(path: Map<string, number> | undefined, message: Message): void {
  const [recipient] = message.recipients;
  const later = [
    recipient.status,
    recipient.openedAt === null ? undefined : 'opened',
    recipient.clickedAt === null ? undefined : 'clicked',
  ];
  for (const word of [message.status, ...(message.status === 'sent' ? later : [])])
    if (word !== undefined && path?.has(word) === false)
      path.set(word, Date.now() - message.createdAt.getTime());
}

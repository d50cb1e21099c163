import { randomUUID } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../runtime/log.ts';
import { AppendFile } from './append-file.ts';
import type { IncomingCall, MailView } from './call.ts';

const MAX_MAILS = 2_000;
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const SAVE_EVERY_MS = 500;
/** Of a burst only the newest go to disk: what a person may look at after a restart, at a bounded cost. */
const MAX_SAVED_AT_ONCE = 50;

/** One accepted mail, as the list shows it. */
export interface InboxEntry {
  id: string;
  at: string;
  provider: string;
  account: string;
  providerMessageId: string;
  messageId: string | null;
  callId: string | null;
  from: string;
  recipients: string[];
  subject: string;
}

interface Kept extends InboxEntry {
  keptBytes: number;
  view: () => MailView | Promise<MailView>;
}

export interface InboxFilter {
  /** Part of a recipient's address. */
  to?: string;
  messageId?: string;
  limit: number;
}

/** The newest accepted mails, 2,000 or 64 MB, with their content, for people and tests to look at. */
export class Inbox {
  readonly #folder: string;
  readonly #log: Log;
  readonly #mails = new Map<string, Kept>();
  readonly #timer: NodeJS.Timeout;
  #keptBytes = 0;
  #file: AppendFile;
  #unsaved: Kept[] = [];
  #saving = Promise.resolve();

  private constructor(folder: string, log: Log, file: AppendFile) {
    this.#folder = folder;
    this.#log = log;
    this.#file = file;
    this.#timer = setInterval(() => this.#save(), SAVE_EVERY_MS);
  }

  /** With the mails that the last run saved. */
  static async open(folder: string, log: Log): Promise<Inbox> {
    const inbox = new Inbox(folder, log, await openFile(folder));
    for (const line of await savedLines(folder)) inbox.#keep(fromSaved(line));
    return inbox;
  }

  add(call: IncomingCall, providerMessageId: string): void {
    const at = new Date().toISOString();
    for (const { messageId, recipients, subject, keptBytes, view } of call.mails) {
      const { provider, account, callId, from } = call;
      const ids = { id: randomUUID(), at, provider, account, providerMessageId, messageId, callId };
      const mail = { ...ids, from, recipients, subject, keptBytes, view };
      this.#keep(mail);
      this.#unsaved.push(mail);
    }
    // Older ones of a burst will not be saved anyway; do not hold on to them.
    if (this.#unsaved.length > 2 * MAX_SAVED_AT_ONCE)
      this.#unsaved = this.#unsaved.slice(-MAX_SAVED_AT_ONCE);
  }

  /** Newest first. */
  list({ to, messageId, limit }: InboxFilter): InboxEntry[] {
    const wanted = to?.toLowerCase();
    return [...this.#mails.values()]
      .reverse()
      .filter((mail) => messageId === undefined || mail.messageId === messageId)
      .filter(
        ({ recipients }) =>
          wanted === undefined || recipients.some((one) => one.toLowerCase().includes(wanted)),
      )
      .slice(0, limit)
      .map(toEntry);
  }

  async find(id: string): Promise<(InboxEntry & { view: MailView }) | undefined> {
    const mail = this.#mails.get(id);
    return mail && { ...toEntry(mail), view: await mail.view() };
  }

  async clear(): Promise<void> {
    this.#mails.clear();
    this.#keptBytes = 0;
    this.#unsaved = [];
    await this.#enqueue(async () => {
      await this.#rotate();
      await this.#rotate();
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#save();
    await this.#saving;
    await this.#file.close();
  }

  #keep(mail: Kept): void {
    this.#mails.set(mail.id, mail);
    this.#keptBytes += mail.keptBytes;
    for (const [id, { keptBytes }] of this.#mails) {
      if (this.#mails.size <= MAX_MAILS && this.#keptBytes <= MAX_KEPT_BYTES) break;
      this.#mails.delete(id);
      this.#keptBytes -= keptBytes;
    }
  }

  #save(): void {
    if (this.#unsaved.length === 0) return;
    const mails = this.#unsaved.slice(-MAX_SAVED_AT_ONCE);
    this.#unsaved = [];
    this.#enqueue(async () => {
      if (this.#file.sizeBytes > MAX_FILE_BYTES) await this.#rotate();
      const lines = await Promise.all(
        mails.map(async (mail) => JSON.stringify({ ...toEntry(mail), view: await mail.view() })),
      );
      await this.#file.append(lines.map((line) => `${line}\n`).join(''));
    }).catch((err: unknown) => this.#log.warn({ err }, 'the inbox was not saved'));
  }

  /** One change of the file after the other. */
  #enqueue(change: () => Promise<void>): Promise<void> {
    const done = this.#saving.then(change);
    this.#saving = done.catch(() => undefined);
    return done;
  }

  /** The current file becomes the previous one: two files of bounded size, never a rewrite. */
  async #rotate(): Promise<void> {
    await this.#file.close();
    await rename(currentPath(this.#folder), previousPath(this.#folder));
    this.#file = await openFile(this.#folder);
  }
}

const currentPath = (folder: string) => join(folder, 'inbox.jsonl');
const previousPath = (folder: string) => join(folder, 'inbox.previous.jsonl');

function openFile(folder: string): Promise<AppendFile> {
  return AppendFile.open(currentPath(folder), { sync: false });
}

async function savedLines(folder: string): Promise<string[]> {
  const texts = await Promise.all(
    [previousPath(folder), currentPath(folder)].map((path) =>
      readFile(path, 'utf8').catch(() => ''),
    ),
  );
  return texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => line !== '')
    .slice(-MAX_MAILS);
}

function fromSaved(line: string): Kept {
  const saved = JSON.parse(line) as InboxEntry & { view: MailView };
  return { ...saved, keptBytes: line.length, view: () => saved.view };
}

function toEntry(mail: Kept): InboxEntry {
  const entry: InboxEntry & Partial<Kept> = { ...mail };
  delete entry.view;
  delete entry.keptBytes;
  return entry;
}

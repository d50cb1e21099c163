import { AppendFile } from './append-file.ts';
import type { IncomingCall } from './call.ts';

/** One line of `accepted.jsonl`: this recipient's mail was taken, and the caller is told only after the fsync. */
export interface AcceptedLine {
  /** Counts the lines of the file, from 1. */
  n: number;
  at: string;
  provider: string;
  account: string;
  /** The platform's ids, null where the request carried none. */
  messageId: string | null;
  callId: string | null;
  recipient: string;
  /** The call id, while this provider honours it as one. */
  idempotencyKey: string | null;
  subject: string;
  providerMessageId: string;
  /** What the later events say; absent when nobody listened at that time. */
  report?: { args: Record<string, string>; categories: string[] };
}

interface KnownCall {
  providerMessageId: string;
  /** Settles when the call is on disk. */
  written: Promise<void>;
}

interface AcceptOptions {
  /** Takes a call id at most once, and knows those that came before. */
  isHonouring: boolean;
  isReported: boolean;
}

/**
 * The truth about what was accepted: one line per (message, recipient), on disk before the answer. It also knows the
 * calls that were taken, for providers that honour our call id.
 */
export class AcceptanceFile {
  readonly #file: AppendFile;
  #lastN: number;
  /** Undefined until somebody honours call ids: a long file need not be in memory for nothing. */
  #calls: Map<string, KnownCall> | undefined;
  #remembered: Promise<void> | undefined;

  private constructor(file: AppendFile) {
    this.#file = file;
    this.#lastN = file.lastLine === undefined ? 0 : (JSON.parse(file.lastLine) as AcceptedLine).n;
  }

  static async open(path: string): Promise<AcceptanceFile> {
    return new AcceptanceFile(await AppendFile.open(path, { sync: true }));
  }

  get acceptedRecipients() {
    return this.#lastN;
  }

  get tornBytes() {
    return this.#file.tornBytes;
  }

  /** From now on calls are remembered; resolves when those in the file are known too. */
  rememberCalls(): Promise<void> {
    return (this.#remembered ??= this.#readCalls());
  }

  async #readCalls(): Promise<void> {
    const calls = (this.#calls = new Map<string, KnownCall>());
    for await (const line of this.read()) {
      const key = callKey(line.provider, line.account, line.callId);
      if (key !== undefined && !calls.has(key))
        calls.set(key, { providerMessageId: line.providerMessageId, written: Promise.resolve() });
    }
  }

  knows(call: IncomingCall): boolean {
    const key = callKey(call.provider, call.account, call.callId);
    return key !== undefined && this.#calls?.has(key) === true;
  }

  /**
   * Takes a call, or finds that it was taken before; resolves when it is on disk.
   * Rejects when the disk does not take it: then nothing was accepted.
   */
  async accept(
    call: IncomingCall,
    providerMessageId: string,
    options: AcceptOptions,
  ): Promise<{ providerMessageId: string; lines: AcceptedLine[]; isRepeat: boolean }> {
    const key = callKey(call.provider, call.account, call.callId);
    const known = options.isHonouring && key !== undefined ? this.#calls?.get(key) : undefined;
    if (known !== undefined) {
      await known.written;
      return { providerMessageId: known.providerMessageId, lines: [], isRepeat: true };
    }
    const lines = this.#toLines(call, providerMessageId, options);
    const written = this.#file.append(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    if (key !== undefined) this.#calls?.set(key, { providerMessageId, written });
    try {
      await written;
    } catch (error) {
      if (key !== undefined) this.#calls?.delete(key);
      throw error;
    }
    return { providerMessageId, lines, isRepeat: false };
  }

  /** All lines that are on disk, oldest first. */
  async *read(): AsyncGenerator<AcceptedLine> {
    for await (const text of this.#file.readLines()) yield JSON.parse(text) as AcceptedLine;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #toLines(call: IncomingCall, providerMessageId: string, options: AcceptOptions): AcceptedLine[] {
    const at = new Date().toISOString();
    return call.mails.flatMap((mail) =>
      mail.recipients.map((recipient) => ({
        n: (this.#lastN += 1),
        at,
        provider: call.provider,
        account: call.account,
        messageId: mail.messageId,
        callId: call.callId,
        recipient,
        idempotencyKey: options.isHonouring ? call.callId : null,
        subject: mail.subject,
        providerMessageId,
        ...(options.isReported && { report: { args: mail.args, categories: mail.categories } }),
      })),
    );
  }
}

function callKey(provider: string, account: string, callId: string | null): string | undefined {
  return callId === null ? undefined : `${provider}/${account}/${callId}`;
}

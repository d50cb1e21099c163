import { Readable } from 'node:stream';

const CHUNK_BYTES = 16 * 1024;

/**
 * A message on its way to the server. nodemailer reads it only after a recipient was accepted, and writes the final
 * dot only after its end; so an end that was not read is a message that was certainly not sent. A lost connection
 * looks the same to nodemailer before and after.
 */
export class GatedStream extends Readable {
  /** From here on the server may have taken the message. */
  endWasRead = false;
  /** `beforeWrite` said no: the stream broke off, and the final dot with it. */
  wasStopped = false;
  readonly #content: Buffer;
  readonly #beforeWrite: () => void;
  #offset = 0;

  constructor(content: Buffer, beforeWrite: () => void) {
    super({ highWaterMark: 1 }); // nothing is read ahead
    this.#content = content;
    this.#beforeWrite = beforeWrite;
  }

  override _read(): void {
    const isEnd = this.#offset >= this.#content.length;
    if ((this.#offset === 0 || isEnd) && !this.#mayGoOn()) return;
    if (isEnd) {
      this.endWasRead = true;
      this.push(null);
      return;
    }
    const chunk = this.#content.subarray(this.#offset, this.#offset + CHUNK_BYTES);
    this.#offset += chunk.length;
    this.push(chunk);
  }

  #mayGoOn(): boolean {
    try {
      this.#beforeWrite();
      return true;
    } catch (error) {
      this.wasStopped = true;
      this.destroy(error instanceof Error ? error : new Error('stopped'));
      return false;
    }
  }
}

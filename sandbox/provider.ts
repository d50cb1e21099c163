import type { IncomingHttpHeaders } from 'node:http';
import type { AcceptedLine } from './acceptance-file.ts';
import type { EventStep } from './behaviours.ts';
import type { Effect } from './effect.ts';
import type { Faults } from './faults.ts';
import type { IncomingCall } from './call.ts';
import type { Log } from '../runtime/log.ts';

/** What a pretend provider is: one folder under `providers/`, one row in `providers/index.ts`. */
export interface SandboxProvider {
  kind: string;
  /** Providers over HTTP: everything below `/<kind>/`. */
  http?: {
    /** A larger body is not read: `tooLarge` is the answer. */
    maxBodyBytes: number;
    tooLarge: HttpAnswer;
    answer: (request: HttpRequest, reception: Reception) => Promise<HttpAnswer>;
  };
  /** Providers with a port of their own. */
  listen?: (reception: Reception, at: { host: string; port: number }) => Promise<Listener>;
  webhook?: WebhookStyle;
}

export interface Listener {
  /** host:port */
  address: string;
  close: () => Promise<void>;
}

/** What a provider may do with a call: the same for all of them. */
export interface Reception {
  log: Log;
  faults: Faults;
  /** Runs a valid call through faults, behaviours and the acceptance file. */
  receive: (call: IncomingCall) => Promise<Reply>;
}

/** How a call ended. Only `accepted` is an acceptance that the caller is told about. */
export type Reply =
  | { kind: 'accepted'; providerMessageId: string; effect: Effect }
  | { kind: 'refused'; status: number; effect: Effect }
  /** Reset the connection. */
  | { kind: 'cut' }
  /** Leave the connection open and say nothing. */
  | { kind: 'silence' };

export interface HttpRequest {
  method: string;
  /** Without `/<kind>`, beginning with a slash. */
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface HttpAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  /** Milliseconds between two bytes of the answer. */
  slowBytesMs?: number;
  /** Instead of all the above. */
  connection?: 'cut' | 'silence';
}

/** How a provider posts events. */
export interface WebhookStyle {
  /** Made once and kept in the sandbox's folder. */
  createKeys: () => Record<string, string>;
  /** What the receiver needs to verify a post. */
  publishedKeys: (keys: Record<string, string>) => Record<string, string>;
  toEvent: (line: AcceptedLine, step: EventStep, index: number, at: Date) => object;
  toPost: (events: readonly object[], keys: Record<string, string>, now: Date) => WebhookPost;
  maxEventsPerPost: number;
  /** Whether the receiver's status ends the matter. */
  isTaken: (status: number) => boolean;
  retryDelayMs: (attempt: number) => number;
  giveUpAfterMs: number;
}

export interface WebhookPost {
  headers: Record<string, string>;
  body: Buffer;
}

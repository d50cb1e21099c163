import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../runtime/log.ts';
import type { AcceptanceFile } from './acceptance-file.ts';
import type { AppendFile } from './append-file.ts';
import { callEffect } from './behaviours.ts';
import type { IncomingCall } from './call.ts';
import { acceptsMail, type Effect } from './effect.ts';
import type { EventReporter } from './event-reporter.ts';
import type { Faults } from './faults.ts';
import type { Inbox } from './inbox.ts';
import type { Reply } from './provider.ts';
import type { Switches } from './switches.ts';

/** The parts of the sandbox that a call passes. */
export interface Desk {
  log: Log;
  faults: Faults;
  switches: Switches;
  accepted: AcceptanceFile;
  /** Calls that came again while their id was honoured. */
  repeated: AppendFile;
  reporter: EventReporter;
  inbox: Inbox;
  counters: { calls: number; repeated: number; refused: number; cut: number; unanswered: number };
}

/** Takes one valid call: what it meets, whether it is accepted (on disk before this resolves), how it is answered. */
export async function receiveCall(desk: Desk, call: IncomingCall): Promise<Reply> {
  desk.counters.calls += 1;
  const effect = effectOn(desk, call);
  const isAccepting = acceptsMail(effect);
  if (!isAccepting) await wait(effect.latencyMs);
  const providerMessageId = isAccepting ? await accept(desk, call) : '';
  if (isAccepting) await wait(effect.latencyMs);

  if (effect.resetBefore === true || effect.resetAfter === true) {
    desk.counters.cut += 1;
    return { kind: 'cut' };
  }
  if (effect.neverAnswer === true) {
    desk.counters.unanswered += 1;
    return { kind: 'silence' };
  }
  if (effect.status !== undefined) {
    desk.counters.refused += 1;
    return { kind: 'refused', status: effect.status, effect };
  }
  return { kind: 'accepted', providerMessageId, effect };
}

/** A fault script goes before what the addresses say; a call that comes again meets the scripts only. */
function effectOn(desk: Desk, call: IncomingCall): Effect {
  const recipients = call.mails.flatMap((mail) => mail.recipients);
  const fault = desk.faults.takeCall('message', { ...call, recipients });
  if (fault !== undefined) return fault;
  const comesAgain = desk.switches.honours(call.provider) && desk.accepted.knows(call);
  return (comesAgain ? undefined : callEffect(recipients)) ?? {};
}

async function accept(desk: Desk, call: IncomingCall): Promise<string> {
  const { providerMessageId, lines, isRepeat } = await desk.accepted.accept(
    call,
    randomBytes(16).toString('base64url'),
    {
      isHonouring: desk.switches.honours(call.provider),
      isReported: desk.reporter.isWatching(call.provider, call.account),
    },
  );
  if (isRepeat) {
    desk.counters.repeated += 1;
    await noteRepeat(desk, call, providerMessageId);
    return providerMessageId;
  }
  for (const line of lines) desk.reporter.plan(line);
  desk.inbox.add(call, providerMessageId);
  return providerMessageId;
}

async function noteRepeat(desk: Desk, call: IncomingCall, providerMessageId: string) {
  const { provider, account, callId } = call;
  const line = { at: new Date().toISOString(), provider, account, callId, providerMessageId };
  await desk.repeated.append(`${JSON.stringify(line)}\n`);
}

async function wait(ms: number | undefined): Promise<void> {
  // Without a reference: a stopping sandbox does not wait for an answer that nobody will read.
  if (ms !== undefined && ms > 0) await sleep(ms, undefined, { ref: false });
}

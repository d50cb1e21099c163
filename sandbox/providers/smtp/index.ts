import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { behaviourName, isUnverifiedSender, type BehaviourName } from '../../behaviours.ts';
import type { Listener, Reception, SandboxProvider } from '../../provider.ts';
import { accountOf, endStep, MAX_MESSAGE_BYTES, takeMessage, type Ending } from './dialogue.ts';
import {
  badLogin,
  notStored,
  recipientReplies,
  unverifiedSender,
  type SmtpReply,
} from './replies.ts';

/** A mail relay: AUTH with any user but `revoked`, no TLS, no events. `slowBytes` is not spoken here. */
export const smtp: SandboxProvider = { kind: 'smtp', listen };

type Callback = (error?: Error | null, text?: string) => void;

async function listen(
  reception: Reception,
  { host, port }: { host: string; port: number },
): Promise<Listener> {
  const { faults } = reception;
  const end = (work: Promise<Ending>, session: SMTPServerSession, callback: Callback) => {
    work
      .catch((err: unknown): Ending => {
        reception.log.warn({ err }, 'an SMTP message could not be stored');
        return { kind: 'reply', reply: notStored };
      })
      .then((ending) => {
        if (ending.kind === 'reply') callback(new ReplyError(ending.reply));
        if (ending.kind === 'ok') callback(null, ending.text);
        if (ending.kind === 'cut') resetConnection(server, session);
      })
      .catch((err: unknown) => reception.log.warn({ err }, 'an SMTP reply was not written'));
  };

  const server = new SMTPServer({
    name: 'sandbox.test',
    authOptional: true,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    size: MAX_MESSAGE_BYTES,
    rejectOversized: true,
    maxClients: 1_000,
    maxRecipients: 1_000,
    closeTimeout: 500,
    onConnect: (session, callback) => {
      const effect = faults.takeCall('greeting', { provider: 'smtp' });
      end(endStep(effect), session, callback);
    },
    onAuth: ({ username = '' }, session, callback) => {
      const effect = faults.takeCall('login', { provider: 'smtp', account: username });
      const refusal = username === 'revoked' ? badLogin : undefined;
      end(endStep(effect, refusal), session, (error) =>
        error ? callback(error) : callback(null, { user: username }),
      );
    },
    onMailFrom: ({ address }, session, callback) => {
      const account = accountOf(session);
      const effect = faults.takeCall('sender', { provider: 'smtp', account });
      const refusal = isUnverifiedSender(address) ? unverifiedSender : undefined;
      end(endStep(effect, refusal), session, callback);
    },
    onRcptTo: ({ address }, session, callback) => {
      const known = { provider: 'smtp', account: accountOf(session), recipients: [address] };
      const effect = faults.takeCall('recipient', known);
      end(endStep(effect, recipientReply(address)), session, callback);
    },
    onData: (stream, session, callback) =>
      end(takeMessage(stream, session, reception), session, callback),
  });
  server.on('error', (err) => reception.log.debug({ err }, 'an SMTP connection failed'));
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const bound = server.server.address();
  return {
    address: `${host}:${typeof bound === 'object' && bound !== null ? bound.port : port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        for (const connection of server.connections) connection._socket.destroy();
      }),
  };
}

function recipientReply(address: string): SmtpReply | undefined {
  const name = behaviourName(address) as BehaviourName | undefined;
  return name && recipientReplies[name];
}

// The session does not give its socket away, and a reset needs it: a polite end would be a FIN.
function resetConnection(server: SMTPServer, session: SMTPServerSession): void {
  for (const connection of server.connections)
    if (connection.id === session.id) connection._socket.resetAndDestroy();
}

class ReplyError extends Error {
  readonly responseCode: number;

  constructor({ code, text }: SmtpReply) {
    super(text);
    this.responseCode = code;
  }
}

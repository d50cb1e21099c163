import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';

/** What the server does instead of, or as, a reply. */
type Reply = string | { then: 'drop' | 'silence' | 'drip'; text?: string };

export interface RelayScript {
  greeting?: Reply;
  /** Lines after the first of the answer to EHLO. */
  extensions?: string[];
  auth?: Reply;
  from?: Reply;
  recipient?: (address: string) => Reply;
  /** To the command DATA. */
  data?: Reply;
  /** After the final dot. */
  end?: Reply;
}

interface TakenMail {
  from: string;
  to: string[];
  data: string;
}

export interface FakeRelay {
  port: number;
  /** Mails with their final dot, whatever was answered to them. */
  mails: TakenMail[];
  /** Bytes of mails without one. */
  unfinished: string;
  commands: string[];
  script: RelayScript;
  close: () => Promise<void>;
}

/** A server that follows a script, also into the failures that a real one only has by chance. */
export async function startFakeRelay(script: RelayScript = {}): Promise<FakeRelay> {
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    talk(socket, relay);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const relay: FakeRelay = {
    port: (server.address() as AddressInfo).port,
    mails: [],
    unfinished: '',
    commands: [],
    script,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return relay;
}

function talk(socket: Socket, relay: FakeRelay): void {
  const { script } = relay;
  let received = '';
  let isData = false;
  let isOver = false;
  let mail: TakenMail = { from: '', to: [], data: '' };
  reply(script.greeting ?? '220 fake ESMTP');
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
    while (!isOver && (isData ? takeData() : takeCommand()));
  });

  /** After anything but a reply the script is at its end. */
  function reply(what: Reply): void {
    isOver = typeof what !== 'string';
    say(socket, what);
  }

  function takeData(): boolean {
    const end = received.indexOf('\r\n.\r\n');
    if (end < 0) {
      relay.unfinished = received;
      return false;
    }
    relay.unfinished = '';
    relay.mails.push({ ...mail, data: received.slice(0, end + 2) });
    received = received.slice(end + 5);
    isData = false;
    reply(script.end ?? '250 2.0.0 Ok: queued as 4F2B');
    return true;
  }

  function takeCommand(): boolean {
    const end = received.indexOf('\r\n');
    if (end < 0) return false;
    const line = received.slice(0, end);
    received = received.slice(end + 2);
    relay.commands.push(line);
    follow(line);
    return true;
  }

  function follow(line: string): void {
    const address = /<(.*?)>/.exec(line)?.[1] ?? '';
    if (/^EHLO/i.test(line)) {
      const lines = ['fake', ...(script.extensions ?? ['PIPELINING', 'AUTH PLAIN LOGIN'])];
      const last = lines.length - 1;
      reply(lines.map((text, i) => `250${i === last ? ' ' : '-'}${text}`).join('\r\n'));
    } else if (/^AUTH/i.test(line)) reply(script.auth ?? '235 2.7.0 Accepted');
    else if (/^MAIL/i.test(line)) {
      mail = { from: address, to: [], data: '' };
      reply(script.from ?? '250 2.1.0 Ok');
    } else if (/^RCPT/i.test(line)) {
      const answer = script.recipient?.(address) ?? '250 2.1.5 Ok';
      if (typeof answer === 'string' && answer.startsWith('2')) mail.to.push(address);
      reply(answer);
    } else if (/^DATA/i.test(line)) {
      const answer =
        mail.to.length === 0 ? '503 5.5.1 No recipients' : (script.data ?? '354 Go on');
      isData = typeof answer === 'string' && answer.startsWith('354');
      reply(answer);
    } else if (/^QUIT/i.test(line)) socket.end('221 2.0.0 Bye\r\n');
    else if (/^STARTTLS/i.test(line)) reply('502 5.5.1 Not implemented');
    else reply('250 2.0.0 Ok');
  }
}

function say(socket: Socket, reply: Reply): void {
  if (typeof reply === 'string') {
    socket.write(`${reply}\r\n`);
    return;
  }
  if (reply.then === 'drop') {
    if (reply.text) socket.end(reply.text);
    else socket.destroy();
  } else if (reply.then === 'drip') drip(socket, reply.text ?? '250 2.0.0 Ok: queued as 4F2B');
}

/** One byte every 50 ms and never the end of the line. */
function drip(socket: Socket, text: string): void {
  let sent = 0;
  const timer = setInterval(() => {
    socket.write(text.charAt(sent) || ' ');
    sent += 1;
  }, 50);
  socket.on('close', () => {
    clearInterval(timer);
  });
}

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createTransport } from 'nodemailer';
import { aMail } from './providers/sendgrid/contract.ts';
import { aSandbox, readAccepted, type SandboxUnderTest } from './sandbox-under-test.ts';

/** Sends by SendGrid's API; answers its status and X-Message-Id, or the error's name when the line was cut. */
async function post(httpUrl: string, email: string, args: Record<string, string> = {}) {
  const personalizations = [{ to: [{ email }] }];
  const custom_args = { ep_message: `msg_${email}`, ...args };
  return postMail(httpUrl, aMail({ personalizations, custom_args }));
}

async function postMail(httpUrl: string, mail: object) {
  const response = await fetch(`${httpUrl}/sendgrid/v3/mail/send`, {
    method: 'POST',
    headers: { authorization: 'Bearer SG.test', 'content-type': 'application/json' },
    body: JSON.stringify(mail),
  }).catch(() => undefined);
  return { status: response?.status, id: response?.headers.get('x-message-id') };
}

describe('sandbox that honours our call id', () => {
  let sandbox: SandboxUnderTest;
  before(async () => (sandbox = await aSandbox()));
  after(() => sandbox.close());
  const linesOf = async (callId: string) =>
    (await sandbox.accepted()).filter((line) => line.callId === callId);

  it('accepts a call twice while it does not', async () => {
    for (let i = 0; i < 2; i += 1)
      await post(sandbox.httpUrl, 'a@example.test', { ep_call: 'call_0' });
    assert.equal((await linesOf('call_0')).length, 2);
  });

  it('answers a call that comes again as it did before, and accepts it once', async () => {
    const { body } = await sandbox.control('PUT', '/settings', { honoursCallId: true });
    assert.deepEqual(body.honoursCallId, { sendgrid: true, smtp: true });
    const args = { ep_call: 'call_1' };
    const first = await post(sandbox.httpUrl, 'a@example.test', args);
    const second = await post(sandbox.httpUrl, 'a@example.test', args);
    assert.equal(first.status, 202);
    assert.deepEqual(second, first);
    const lines = await linesOf('call_1');
    assert.equal(lines.length, 1);
    assert.equal(lines[0]!.idempotencyKey, 'call_1');
    assert.match(await readFile(join(sandbox.folder, 'repeated.jsonl'), 'utf8'), /"call_1"/);
  });

  it('accepts once when both come in the same moment', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        post(sandbox.httpUrl, 'a@example.test', { ep_call: 'call_2' }),
      ),
    );
    assert.equal(new Set(answers.map(({ id }) => id)).size, 1);
    assert.equal((await linesOf('call_2')).length, 1);
  });

  it('answers what it had accepted before it cut the line', async () => {
    const args = { ep_call: 'call_3' };
    assert.equal(
      (await post(sandbox.httpUrl, 'accept-then-reset@example.test', args)).status,
      undefined,
    );
    assert.equal((await post(sandbox.httpUrl, 'accept-then-reset@example.test', args)).status, 202);
    assert.equal((await linesOf('call_3')).length, 1);
  });

  it('knows after a restart what it accepted, also from before it honoured anything', async () => {
    await sandbox.restart();
    for (const callId of ['call_0', 'call_1']) {
      const known = (await linesOf(callId))[0]!;
      const { id } = await post(sandbox.httpUrl, 'a@example.test', { ep_call: callId });
      assert.equal(id, known.providerMessageId);
    }
    assert.equal((await linesOf('call_1')).length, 1);
  });

  it('does so by SMTP too, and for another account it is another call', async () => {
    const [host, port] = sandbox.smtpAddress.split(':');
    const send = async (user: string) => {
      const auth = { user, pass: 'x' };
      const transport = createTransport({ host, port: Number(port), auth, ignoreTLS: true });
      const mail = { from: 'a@acme.test', to: 'b@example.test', text: 'x' };
      const { response } = await transport.sendMail({ ...mail, messageId: '<call_4@acme.test>' });
      transport.close();
      return response;
    };
    const first = await send('one');
    assert.equal(await send('one'), first);
    assert.notEqual(await send('two'), first);
    assert.equal((await linesOf('call_4')).length, 2);
  });
});

describe('sandbox process', () => {
  let folder: string;
  const children: ChildProcess[] = [];
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'sandbox-'))));
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  });

  /** `limit`: shell commands that narrow what the process may do. */
  async function aProcess(limit = 'true') {
    const main = new URL('./main.ts', import.meta.url).pathname;
    const child = spawn('sh', ['-c', `${limit}; exec "$0" "$1"`, process.execPath, main], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        SANDBOX_DIR: folder,
        SANDBOX_HTTP_PORT: '0',
        SANDBOX_SMTP_PORT: '0',
        EXIT_WITH_PARENT: '1',
      },
    });
    children.push(child);
    const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
    for await (const line of createInterface({ input: child.stdout })) {
      const { httpUrl } = JSON.parse(line) as { httpUrl?: string };
      if (httpUrl !== undefined) return { child, exited, httpUrl };
    }
    throw new Error('the sandbox ended before it listened');
  }

  it('has every mail in the file that it answered 202, when it is killed', async () => {
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const { child, exited, httpUrl } = await aProcess();
      let isKilled = false;
      const client = async (name: string) => {
        for (let i = 0; !isKilled; i += 1) {
          const email = `${name}.${i}@example.test`;
          if ((await post(httpUrl, email)).status === 202) acknowledged.push(email);
        }
      };
      const clients = Array.from({ length: 16 }, (_, i) => client(`r${round}.c${i}`));
      setTimeout(() => child.kill('SIGKILL'), 150 + 70 * round);
      void exited.then(() => (isKilled = true));
      await Promise.all(clients);
      await exited;
    }
    // What a kill in the middle of a write leaves; the next start must cut it off and go on.
    await appendFile(join(folder, 'accepted.jsonl'), '{"n":1,"recipient":"torn@exam');
    const { child, exited, httpUrl } = await aProcess();
    assert.equal((await post(httpUrl, 'last@example.test')).status, 202);
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);

    const lines = await readAccepted(folder);
    const recipients = new Set(lines.map(({ recipient }) => recipient));
    assert.ok(acknowledged.length > 100, `only ${acknowledged.length} mails`);
    assert.deepEqual(
      acknowledged.filter((email) => !recipients.has(email)),
      [],
    );
    assert.deepEqual(
      lines.map(({ n }) => n),
      lines.map((_, i) => i + 1),
    );
    assert.equal(lines.at(-1)!.recipient, 'last@example.test');
  });

  it('answers 500 when the disk takes no more, and leaves no half line', async () => {
    await rm(join(folder, 'accepted.jsonl'), { force: true });
    // 32 blocks of 512 bytes: writes beyond them fail with EFBIG, some of them half way.
    const { child, exited, httpUrl } = await aProcess(`trap '' XFSZ; ulimit -f 32`);
    const statuses = [];
    for (let i = 0; i < 120; i += 1)
      statuses.push((await post(httpUrl, `a${'x'.repeat(i)}@example.test`)).status);
    child.kill('SIGTERM');
    await exited;
    const taken = statuses.filter((status) => status === 202).length;
    assert.ok(taken > 10 && taken < 120, `${taken} taken`);
    assert.deepEqual([...new Set(statuses)].sort(), [202, 500]);
    assert.equal((await readAccepted(folder)).length, taken);
  });

  it('stops when its parent is gone', async () => {
    const { child, exited } = await aProcess();
    child.stdin.end();
    assert.deepEqual(await exited, [0, null]);
  });
});

describe('sandbox inbox', () => {
  let sandbox: SandboxUnderTest;
  before(async () => (sandbox = await aSandbox()));
  after(() => sandbox.close());
  const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>`;

  it('shows hostile mails as text, and their HTML only in a frame that may do nothing', async () => {
    const markup = `<h1>x</h1>${evil}`;
    const mail = aMail({
      subject: evil,
      from: { email: 'hello@acme.test', name: evil },
      content: [{ type: 'text/html', value: markup }],
      headers: { 'X-Evil': evil },
      attachments: [{ content: 'AAAA', filename: `${evil}.txt` }],
    });
    assert.equal((await postMail(sandbox.httpUrl, mail)).status, 202);
    const { body } = await sandbox.control('GET', '/messages?to=ADA@&limit=1');
    const { id } = body.data[0]!;
    for (const path of ['/', `/?to=${encodeURIComponent(evil)}`, `/mail/${id}`])
      for (const view of ['html', 'text', 'headers', 'source']) {
        const url = new URL(path, sandbox.httpUrl);
        if (path.startsWith('/mail')) url.searchParams.set('view', view);
        const response = await fetch(url);
        const page = await response.text();
        assert.equal(response.status, 200);
        assert.ok(!/<script|<img/.test(page), url.href);
        const policy = response.headers.get('content-security-policy')!;
        assert.match(policy, /default-src 'none'/);
        assert.ok(!/script-src|unsafe-inline/.test(policy));
      }
    const detail = await (await fetch(`${sandbox.httpUrl}/mail/${id}`)).text();
    assert.ok(detail.includes('&lt;script&gt;alert(1)'));
    assert.match(detail, /<iframe sandbox=""/);
    const frame = await fetch(`${sandbox.httpUrl}/mail/${id}/html`);
    assert.match(frame.headers.get('content-security-policy')!, /^sandbox; default-src 'none'/);
    assert.equal(await frame.text(), markup);
  });

  it('finds mails by recipient and message, newest first, and shows them after a restart', async () => {
    for (const name of ['one', 'two', 'three']) await post(sandbox.httpUrl, `${name}@find.test`);
    const emails = async (query: string) =>
      (await sandbox.control('GET', `/messages?${query}`)).body.data.flatMap(
        ({ recipients }) => recipients,
      );
    const all = ['three@find.test', 'two@find.test', 'one@find.test'];
    assert.deepEqual(await emails('to=find.test'), all);
    assert.deepEqual(await emails('to=find.test&limit=1'), all.slice(0, 1));
    assert.deepEqual(await emails('messageId=msg_two@find.test'), ['two@find.test']);
    await sandbox.restart();
    assert.deepEqual(await emails('to=find.test'), all);
    await sandbox.control('DELETE', '/messages');
    await sandbox.restart();
    assert.deepEqual(await emails('to='), []);
  });

  it('puts substitutions into what it shows', async () => {
    const to = [{ email: 'ada@example.test' }];
    const personalizations = [{ to, substitutions: { '-name-': 'Ada $&' } }];
    await postMail(sandbox.httpUrl, aMail({ subject: 'Hello -name-', personalizations }));
    const { body } = await sandbox.control('GET', '/messages?limit=1');
    assert.equal(body.data[0]!.subject, 'Hello Ada $&');
  });
});

describe('sandbox control interface', () => {
  let sandbox: SandboxUnderTest;
  before(async () => (sandbox = await aSandbox()));
  after(() => sandbox.close());

  it('takes bodies as application/json only, so that no foreign page can change it', async () => {
    const response = await fetch(`${sandbox.httpUrl}/sandbox/faults`, {
      method: 'POST',
      body: '{"then":{"status":500}}',
    });
    assert.equal(response.status, 415);
  });

  it('lists, counts and clears fault scripts', async () => {
    const script = {
      provider: 'sendgrid',
      times: 2,
      match: { recipient: '*@hit.test' },
      then: { status: 503 },
    };
    await sandbox.control('POST', '/faults', script);
    const statuses = [];
    for (const email of ['a@hit.test', 'a@miss.test', 'b@HIT.test', 'c@hit.test'])
      statuses.push((await post(sandbox.httpUrl, email)).status);
    assert.deepEqual(statuses, [503, 202, 503, 202]);
    const { body } = await sandbox.control('GET', '/faults');
    assert.equal(body.data[0]!.hits, 2);
    assert.equal((await sandbox.control('DELETE', '/faults')).status, 204);
    assert.deepEqual((await sandbox.control('GET', '/faults')).body.data, []);
  });

  it('keeps its settings over a restart', async () => {
    await sandbox.control('PUT', '/settings', {
      provider: 'smtp',
      honoursCallId: true,
      eventDelayMs: 7,
    });
    await sandbox.restart();
    assert.deepEqual((await sandbox.control('GET', '/settings')).body, {
      honoursCallId: { sendgrid: false, smtp: true },
      eventDelayMs: 7,
      webhooksPaused: false,
    });
  });

  it('says how it is', async () => {
    const { status, body } = await sandbox.control('GET', '/healthz');
    assert.equal(status, 200);
    assert.equal(body.status, 'ok');
  });
});

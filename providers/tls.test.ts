import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { SMTPServer } from 'smtp-server';
import { anOutgoingMessage } from './example-message.ts';
import { providers } from './index.ts';

const options = { timeoutMs: 3000, beforeWrite: () => undefined };

describe('sending over TLS', () => {
  let certificate: { key: Buffer; cert: Buffer };
  before(function () {
    const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    try {
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:P-256',
          '-nodes',
          '-days',
          '2',
          '-subj',
          '/CN=localhost',
          '-addext',
          'subjectAltName=DNS:localhost',
          '-keyout',
          key,
          '-out',
          cert,
        ],
        { stdio: 'ignore' },
      );
      certificate = { key: readFileSync(key), cert: readFileSync(cert) };
    } catch {
      this.skip(); // no openssl on this machine
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  afterEach(() => {
    providers.sendgrid.close();
    providers.smtp.close();
    tls.setDefaultCACertificates(tls.getCACertificates('bundled'));
  });

  function trust(): void {
    tls.setDefaultCACertificates([certificate.cert.toString()]);
  }

  async function sendBySendGrid() {
    let connections = 0;
    const server = https.createServer(certificate, (request, response) => {
      request.resume().on('end', () => response.writeHead(202, { 'X-Message-Id': 'abc' }).end());
    });
    server.on('secureConnection', () => (connections += 1));
    server.listen(0, 'localhost');
    await once(server, 'listening');
    const settings = { baseUrl: `https://localhost:${(server.address() as AddressInfo).port}` };
    const account = {
      id: 'acc_1',
      mode: 'live' as const,
      credentials: { apiKey: 'SG.key' },
      settings,
    };
    const results = [
      await providers.sendgrid.send(account, anOutgoingMessage(), options),
      await providers.sendgrid.send(account, anOutgoingMessage(), options),
    ];
    server.closeAllConnections();
    server.close();
    return { results, connections };
  }

  it('reaches SendGrid over one connection for two calls', async () => {
    trust();
    const { results, connections } = await sendBySendGrid();
    for (const { recipients } of results)
      assert.deepEqual(recipients[0]?.outcome, { kind: 'accepted' });
    assert.equal(connections, 1);
  });

  it('does not trust a certificate that nobody vouches for: SendGrid', async () => {
    const { results } = await sendBySendGrid();
    assert.deepEqual(results[0]!.recipients[0]?.outcome, { kind: 'refused', class: 'transient' });
    assert.equal(results[0]!.code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
  });

  async function sendBySmtp(secure: true | 'starttls') {
    const logins: string[] = [];
    const server = new SMTPServer({
      ...certificate,
      secure: secure === true,
      onAuth: ({ username }, session, callback) => {
        logins.push(`${username} ${session.secure ? 'secured' : 'plain'}`);
        callback(null, { user: username });
      },
      onData: (stream, _session, callback) => {
        stream.resume().on('end', () => callback());
      },
    });
    server.on('error', () => undefined);
    server.listen(0, 'localhost');
    await once(server.server, 'listening');
    const { port } = server.server.address() as AddressInfo;
    const settings = { host: 'localhost', port, secure };
    const credentials = { user: 'relay', pass: 'secret' };
    const account = { id: 'acc_1', mode: 'live' as const, credentials, settings };
    const result = await providers.smtp.send(account, anOutgoingMessage(), options);
    providers.smtp.close();
    await new Promise<void>((resolve) => server.close(resolve));
    return { result, logins };
  }

  for (const secure of [true, 'starttls'] as const) {
    it(`logs in after TLS stands, secure ${secure}`, async () => {
      trust();
      const { result, logins } = await sendBySmtp(secure);
      assert.deepEqual(result.recipients[0]?.outcome, { kind: 'accepted' });
      assert.deepEqual(logins, ['relay secured']);
    });

    it(`does not trust a certificate that nobody vouches for: SMTP, secure ${secure}`, async () => {
      const { result, logins } = await sendBySmtp(secure);
      assert.deepEqual(result.recipients[0]?.outcome, { kind: 'refused', class: 'account' });
      assert.deepEqual(logins, []);
    });
  }
});

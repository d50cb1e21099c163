import { readFileSync } from 'node:fs';
import type { MailView } from './call.ts';
import { html, type Html } from './html.ts';
import type { Inbox, InboxEntry } from './inbox.ts';
import { planEvents } from './plan-events.ts';
import type { HttpAnswer, HttpRequest } from './provider.ts';

const SHOWN = 200;
const css = readFileSync(new URL('./inbox-page.css', import.meta.url), 'utf8');

// Everything shown here was written by others. The pages run no script at all, and a mail's own HTML is a document of
// an origin of its own that may load nothing.
const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const MAIL_POLICY =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

/** Answers `/` (list), `/mail/:id` (detail), `/mail/:id/html` (the frame); undefined for other paths. */
export async function answerInbox(
  inbox: Inbox,
  eventDelayMs: number,
  { method, path }: HttpRequest,
): Promise<HttpAnswer | undefined> {
  const { pathname, searchParams } = new URL(path, 'http://sandbox');
  if (method !== 'GET') return undefined;
  if (pathname === '/') return listPage(inbox, eventDelayMs, searchParams.get('to') ?? '');
  if (pathname === '/inbox.css') return answer('text/css', css, PAGE_POLICY);
  const [, id = '', part] = /^\/mail\/([\w-]+)(\/html)?$/.exec(pathname) ?? [];
  const mail = await inbox.find(id);
  if (mail === undefined) return undefined;
  if (part === '/html') return answer('text/html', mail.view.html ?? '', MAIL_POLICY);
  return detailPage(mail, eventDelayMs, searchParams.get('view') ?? '');
}

function listPage(inbox: Inbox, eventDelayMs: number, to: string): HttpAnswer {
  const mails = inbox.list({ ...(to !== '' && { to }), limit: SHOWN });
  const rows = mails.map(
    (mail) =>
      html`<tr>
        <td class="state">${stateBadge(mail, eventDelayMs)}</td>
        <td class="to"><a href="/mail/${mail.id}">${mail.recipients.join(', ')}</a></td>
        <td class="subject"><a href="/mail/${mail.id}">${mail.subject || '(no subject)'}</a></td>
        <td class="from">${mail.from}</td>
        <td><span class="provider">${mail.provider}</span></td>
        <td class="time">
          <time datetime="${mail.at}" title="${mail.at}">${clock(mail.at)}</time>
        </td>
      </tr>`,
  );
  const nothing = html`<p class="nothing">
    ${to === '' ? 'No mail yet. What is sent through the sandbox shows up here.' : `No mail to ${to}.`}
  </p>`;
  const table = html`<table>
    <thead>
      <tr>
        <th>State</th>
        <th>To</th>
        <th>Subject</th>
        <th>From</th>
        <th>Provider</th>
        <th>Time (UTC)</th>
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`;
  return page(
    'Inbox',
    html`<header>
        <h1><a href="/">Sandbox inbox</a></h1>
        <form action="/" role="search">
          <input
            type="search"
            name="to"
            value="${to}"
            placeholder="Recipient"
            aria-label="Recipient"
          />
          <button>Find</button>
          <a class="button" href="/${to === '' ? '' : `?to=${encodeURIComponent(to)}`}">Refresh</a>
        </form>
      </header>
      <main>
        <p class="note">
          ${mails.length === SHOWN ? `The newest ${SHOWN} mails` : `${mails.length} mails`}. Nothing
          here leaves this machine.
        </p>
        ${mails.length === 0 ? nothing : table}
      </main>`,
  );
}

type Mail = InboxEntry & { view: MailView };

const views: Record<string, { label: string; show: (mail: Mail) => Html }> = {
  html: {
    label: 'HTML',
    show: ({ id }) =>
      html`<iframe sandbox="" src="/mail/${id}/html" title="The mail as HTML"></iframe>`,
  },
  text: { label: 'Text', show: ({ view }) => html`<pre>${view.text ?? ''}</pre>` },
  headers: { label: 'Headers', show: ({ view }) => facts(Object.entries(view.headers)) },
  source: { label: 'Source', show: ({ view }) => html`<pre>${view.source}</pre>` },
};

function detailPage(mail: Mail, eventDelayMs: number, wanted: string): HttpAnswer {
  const { view } = mail;
  const fitting = view.html === undefined ? 'text' : 'html';
  const shown = Object.hasOwn(views, wanted) ? wanted : fitting;
  const tabs = Object.entries(views).map(
    ([name, { label }]) =>
      html`<a href="/mail/${mail.id}?view=${name}" ${current(name === shown)}>${label}</a>`,
  );
  const events = mail.recipients.flatMap((recipient) =>
    planEvents(recipient, Date.parse(mail.at), eventDelayMs).map(
      ({ step, dueMs }) =>
        html`<li>
          ${badge(step.type)} ${recipient} <time>${clock(new Date(dueMs).toISOString())}</time>
        </li>`,
    ),
  );
  return page(
    mail.subject,
    html`<header>
        <h1><a href="/">Sandbox inbox</a></h1>
        <a class="button" href="/">All mails</a>
      </header>
      <main class="detail">
        <h2>${mail.subject || '(no subject)'} ${stateBadge(mail, eventDelayMs)}</h2>
        ${facts([
          ['From', view.from],
          ['To', view.to.join(', ')],
          ['Cc', view.cc.join(', ')],
          ['Bcc', view.bcc.join(', ')],
          ['Attachments', view.attachments.map(attachmentLine).join(', ')],
          ['Accepted', `${mail.at} by ${mail.provider}, account ${mail.account}`],
          ['Message', mail.messageId ?? ''],
          ['Call', mail.callId ?? ''],
          ['Provider’s id', mail.providerMessageId],
        ])}
        <details>
          <summary>Events (${events.length})</summary>
          <ul>
            ${events}
          </ul>
        </details>
        <nav>${tabs}</nav>
        <section>${views[shown]?.show(mail) ?? ''}</section>
      </main>`,
  );
}

function attachmentLine({ filename, contentType, sizeBytes }: MailView['attachments'][number]) {
  return `${filename} (${contentType}, ${sizeBytes} bytes)`;
}

function current(isCurrent: boolean): Html {
  return isCurrent ? html`aria-current="page"` : html``;
}

function facts(rows: [string, string][]): Html {
  const shown = rows.filter(([, value]) => value !== '');
  return html`<dl>
    ${shown.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

/** The last planned event that is due, of the recipient who is worst off. */
function stateBadge({ recipients, at }: InboxEntry, eventDelayMs: number): Html {
  const states = recipients.map((recipient) => {
    const due = planEvents(recipient, Date.parse(at), eventDelayMs).filter(
      ({ dueMs }) => dueMs <= Date.now(),
    );
    return due.at(-1)?.step.type ?? 'accepted';
  });
  const bad = states.find((state) => ['bounced', 'rejected', 'complained'].includes(state));
  return badge(bad ?? states[0] ?? 'accepted');
}

function badge(state: string): Html {
  return html`<span class="badge ${state}">${state}</span>`;
}

function clock(iso: string): string {
  return iso.slice(0, 10) === new Date().toISOString().slice(0, 10)
    ? iso.slice(11, 19)
    : iso.slice(0, 16).replace('T', ' ');
}

function page(title: string, body: Html): HttpAnswer {
  const document = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <title>${title || '(no subject)'} · Sandbox</title>
      <link rel="stylesheet" href="/inbox.css" />
    </head>
    <body>
      ${body}
    </body>
  </html>`;
  return answer('text/html', `<!doctype html>\n${document.text}`, PAGE_POLICY);
}

function answer(type: string, body: string, policy: string): HttpAnswer {
  return {
    status: 200,
    headers: {
      'content-type': `${type}; charset=utf-8`,
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    },
    body,
  };
}

type Json = Record<string, unknown>;

/** One documented answer of SendGrid: what is asked, and what must come back. */
export interface SendGridCheck {
  /** Page and section of SendGrid's documentation. */
  source: string;
  name: string;
  /** Fields of an ordinary mail that are other ones; undefined leaves a field out. */
  with?: Json;
  /** Instead of the ordinary POST. */
  request?: { method?: string; url?: string; apiKey?: string; headers?: Record<string, string> };
  expect: { status: number; message?: RegExp; field?: string | null };
}

const ada = { email: 'ada@example.test', name: 'Ada' };
const plain = { type: 'text/plain', value: 'Hello' };
const markup = { type: 'text/html', value: '<p>Hello</p>' };

/** An ordinary mail, save for what is given. */
export function aMail(other: Json = {}): Json {
  return {
    personalizations: [{ to: [ada] }],
    from: { email: 'hello@acme.test', name: 'Acme' },
    subject: 'Welcome',
    content: [plain, markup],
    ...other,
  };
}

const to = (email: string) => ({ personalizations: [{ to: [{ email }] }] });
const many = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ email: `reader${i}@example.test` }));
const inHours = (hours: number) => Math.floor(Date.now() / 1000) + hours * 3600;

export const sendgridChecks: SendGridCheck[] = [
  {
    source: 'Mail Send: responses',
    name: 'takes a mail with 202',
    expect: { status: 202 },
  },
  {
    source: 'Mail Send: mail_settings.sandbox_mode',
    name: 'answers 200 in sandbox mode and queues nothing',
    with: { mail_settings: { sandbox_mode: { enable: true } } },
    expect: { status: 200 },
  },
  {
    source: 'Mail Send: template_id',
    name: 'wants neither subject nor content with a template',
    with: { subject: undefined, content: undefined, template_id: 'd-0123456789abcdef' },
    expect: { status: 202 },
  },
  {
    source: 'Errors: personalizations, at least one',
    name: 'refuses a mail without personalizations',
    with: { personalizations: [] },
    expect: { status: 400, field: 'personalizations', message: /at least one personalization/ },
  },
  {
    source: 'Errors: personalizations, limit of 1000',
    name: 'refuses 1001 personalizations',
    with: { personalizations: many(1001).map((to) => ({ to: [to] })) },
    expect: { status: 400, field: 'personalizations', message: /You have provided 1001/ },
  },
  {
    source: 'Mail Send: limits',
    name: 'takes 1000 personalizations',
    with: { personalizations: many(1000).map((to) => ({ to: [to] })) },
    expect: { status: 202 },
  },
  {
    source: 'Errors: personalizations, total recipients',
    name: 'refuses 1001 recipients in one personalization',
    with: { personalizations: [{ to: [ada], bcc: many(1000) }] },
    expect: { status: 400, field: 'personalizations', message: /limit of 1000 total recipients/ },
  },
  {
    source: 'Errors: personalizations, to is required',
    name: 'names the personalization that has no recipient',
    with: { personalizations: [{ to: [ada] }, { cc: many(1) }] },
    expect: { status: 400, field: 'personalizations.1.to', message: /to array is required/ },
  },
  {
    source: 'Validation Error(s) when Sending Emails: duplicate addresses',
    name: 'finds an address twice in one personalization, whatever its case',
    with: { personalizations: [{ to: [ada], cc: [{ email: 'ADA@example.test' }] }] },
    expect: {
      status: 400,
      field: 'personalizations.0',
      message: /first duplicate instance of \[ada@example\.test\] in the personalizations\.0\.cc/,
    },
  },
  {
    source: 'Errors: personalizations.to, a valid address',
    name: 'names the recipient whose address is not one',
    with: { personalizations: [{ to: [ada] }, { to: [ada, { email: 'nobody@' }] }] },
    expect: { status: 400, field: 'personalizations.1.to.1.email', message: /valid address/ },
  },
  {
    source: 'Errors: personalizations.to, 320 characters',
    name: 'refuses an address of more than 320 characters',
    with: to(`${'a'.repeat(320)}@example.test`),
    expect: { status: 400, field: 'personalizations.0.to.0.email', message: /320 characters/ },
  },
  {
    source: 'Errors: from',
    name: 'wants a sender',
    with: { from: undefined },
    expect: { status: 400, field: 'from', message: /from object must be provided/ },
  },
  {
    source: 'Errors: subject',
    name: 'wants a subject',
    with: { subject: undefined },
    expect: { status: 400, field: 'subject', message: /subject is required/ },
  },
  {
    source: 'Errors: personalizations.subject',
    name: 'is content when every personalization has a subject',
    with: { subject: undefined, personalizations: [{ to: [ada], subject: 'Own' }] },
    expect: { status: 202 },
  },
  {
    source: 'Errors: content',
    name: 'wants content',
    with: { content: undefined },
    expect: { status: 400, field: 'content', message: /at least one defined content block/ },
  },
  {
    source: 'Errors: content.value, order of RFC 1341 7.2',
    name: 'wants text before HTML',
    with: { content: [markup, plain] },
    expect: { status: 400, field: 'content', message: /text\/plain needs to be first/ },
  },
  {
    source: 'Errors: content.value',
    name: 'refuses an empty part',
    with: { content: [plain, { type: 'text/html', value: '' }] },
    expect: { status: 400, field: 'content.1.value', message: /at least one character/ },
  },
  {
    source: 'Errors: headers, reserved keys',
    name: 'refuses a header that is its own, whatever its case',
    with: { headers: { 'reply-TO': 'x@example.test' } },
    expect: { status: 400, field: 'headers.reply-TO', message: /reserved keys/ },
  },
  {
    source: 'Errors: personalizations.headers, keys',
    name: 'refuses a header name with a space',
    with: { personalizations: [{ to: [ada], headers: { 'X Y': '1' } }] },
    expect: { status: 400, field: 'personalizations.0.headers', message: /empty spaces/ },
  },
  {
    source: 'Errors: categories, limit of 10',
    name: 'refuses 11 categories',
    with: { categories: many(11).map(({ email }) => email) },
    expect: { status: 400, field: 'categories', message: /You provided 11 categories/ },
  },
  {
    source: 'Errors: categories, 255 characters',
    name: 'refuses a long category',
    with: { categories: ['x'.repeat(256)] },
    expect: { status: 400, field: 'categories.0', message: /longer than 255/ },
  },
  {
    source: 'Errors: personalizations.custom_args, strings',
    name: 'refuses a custom argument that is a number',
    with: { personalizations: [{ to: [ada], custom_args: { ep_attempt: 1 } }] },
    expect: { status: 400, field: 'personalizations.0.custom_args', message: /must be strings/ },
  },
  {
    source: 'Errors: personalizations.custom_args, 10,000 bytes',
    name: 'adds up the custom arguments of message and personalization',
    with: {
      custom_args: { one: 'x'.repeat(6_000) },
      personalizations: [{ to: [ada], custom_args: { two: 'x'.repeat(6_000) } }],
    },
    expect: { status: 400, field: 'personalizations.0.custom_args', message: /10,000 bytes/ },
  },
  {
    source: 'Mail Send: reply_to_list',
    name: 'refuses reply_to beside reply_to_list',
    with: { reply_to: ada, reply_to_list: [ada] },
    expect: { status: 400, field: 'reply_to_list' },
  },
  {
    source: 'Errors: send_at, 72 hours',
    name: 'refuses what is scheduled 73 hours ahead',
    with: { send_at: inHours(73) },
    expect: { status: 400, field: 'send_at', message: /72 hours/ },
  },
  {
    source: 'Errors: personalizations.send_at',
    name: 'takes what is scheduled 71 hours ahead',
    with: { personalizations: [{ to: [ada], send_at: inHours(71) }] },
    expect: { status: 202 },
  },
  {
    source: 'Errors: attachments.content',
    name: 'wants attachments in base64',
    with: { attachments: [{ content: '<b>', filename: 'a.txt' }] },
    expect: { status: 400, field: 'attachments.0.content', message: /base64/ },
  },
  {
    source: 'Mail Send: authentication',
    name: 'answers 401 to a revoked key',
    request: { apiKey: 'SG.revoked.key' },
    expect: { status: 401, field: null, message: /invalid, expired, or revoked/ },
  },
  {
    source: 'API key permissions',
    name: 'answers 403 to a key that may not send',
    request: { apiKey: 'SG.noscope.key' },
    expect: { status: 403, field: null, message: /access forbidden/ },
  },
  {
    source: 'Sender Identity',
    name: 'answers 403 to a sender that is not verified',
    with: { from: { email: 'unverified@acme.test' } },
    expect: { status: 403, field: 'from', message: /verified Sender Identity/ },
  },
  {
    source: 'Status codes: 404',
    name: 'answers 404 to an unknown path',
    request: { url: '/v3/mail/sent' },
    expect: { status: 404 },
  },
  {
    source: 'Status codes: 405',
    name: 'answers 405 to another method',
    request: { method: 'PUT' },
    expect: { status: 405 },
  },
  {
    source: 'Status codes: 406',
    name: 'answers 406 to who does not take JSON',
    request: { headers: { Accept: 'text/html' } },
    expect: { status: 406 },
  },
  {
    source: 'Status codes: 415',
    name: 'answers 415 to another content type',
    request: { headers: { 'Content-Type': 'text/plain' } },
    expect: { status: 415 },
  },
  {
    source: 'Mail Send: limits, 30 MB; status codes: 413',
    name: 'answers 413 to more than 30 MB',
    with: { content: [{ type: 'text/plain', value: 'x'.repeat(30 * 1024 * 1024) }] },
    expect: { status: 413, message: /too large/ },
  },
  {
    source: 'Status codes: 429',
    name: 'answers 429 to 429@',
    with: to('429@example.test'),
    expect: { status: 429, field: null, message: /^too many requests$/ },
  },
  {
    source: 'Status codes: 500',
    name: 'answers 500 to 500@',
    with: to('500+7@example.test'),
    expect: { status: 500 },
  },
  {
    source: 'Status codes: 503',
    name: 'answers 503 to 503@',
    with: to('503-7@example.test'),
    expect: { status: 503 },
  },
];

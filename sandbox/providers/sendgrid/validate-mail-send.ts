import { fieldError, type SendGridError } from './errors.ts';

// SendGrid API reference, "Mail Send" and its page "Errors". All that is wrong is reported, nothing of it is sent.

type Json = Record<string, unknown>;
type Report = (field: string, message: string) => void;

const MAX_PERSONALIZATIONS = 1000;
const MAX_RECIPIENTS = 1000;
const MAX_ADDRESS_CHARACTERS = 320;
const MAX_CUSTOM_ARGS_BYTES = 10_000;
const MAX_SUBSTITUTIONS_BYTES = 10_000;
const MAX_CATEGORIES = 10;
const MAX_CATEGORY_CHARACTERS = 255;
const MAX_AHEAD_SECONDS = 72 * 3600;
const RESERVED_HEADERS = new Set(
  (
    'x-sg-id x-sg-eid received dkim-signature content-type content-transfer-encoding ' +
    'to from subject reply-to cc bcc'
  ).split(' '),
);
// SendGrid takes no local parts outside ASCII.
const ADDRESS = /^[\w.!#$%&'*+/=?^`{|}~-]+@[^\s@<>()[\],;:"\\.]+(\.[^\s@<>()[\],;:"\\.]+)+$/;

/** What is wrong with a request body, in SendGrid's words; empty when it is a mail. */
export function validateMailSend(body: unknown, now: Date): SendGridError[] {
  const errors: SendGridError[] = [];
  const report: Report = (field, message) => errors.push(fieldError(field, message));
  const mail = isObject(body) ? body : {};
  checkPersonalizations(mail, now, report);
  checkSender(mail, report);
  checkSubject(mail, report);
  checkContent(mail, report);
  checkAttachments(mail.attachments, report);
  checkHeaders(mail.headers, 'headers', report);
  checkCategories(mail.categories, report);
  checkStrings(mail.custom_args, 'custom_args', CUSTOM_ARGS_TEXT, report);
  checkSendAt(mail.send_at, 'send_at', now, report);
  return errors;
}

function checkPersonalizations(mail: Json, now: Date, report: Report): void {
  const list = mail.personalizations;
  if (!Array.isArray(list) || list.length === 0) {
    report(
      'personalizations',
      'The personalizations field is required and must have at least one personalization.',
    );
    return;
  }
  if (list.length > MAX_PERSONALIZATIONS)
    report(
      'personalizations',
      `The personalization block is limited to 1000 personalizations per API request. You have provided ${list.length} personalizations. Please consider splitting this into multiple requests and resending your request.`,
    );
  let recipients = 0;
  list.forEach((one: unknown, index) => {
    const field = `personalizations.${index}`;
    const personalization = isObject(one) ? one : {};
    recipients += checkRecipients(personalization, field, report);
    if (personalization.subject !== undefined && !isText(personalization.subject))
      report(`${field}.subject`, SUBJECT_TEXT);
    if (personalization.from !== undefined)
      checkAddress(personalization.from, `${field}.from`, report);
    checkHeaders(personalization.headers, `${field}.headers`, report);
    checkSendAt(personalization.send_at, `${field}.send_at`, now, report);
    checkCustomArgs(mail, personalization, `${field}.custom_args`, report);
    checkSubstitutions(personalization.substitutions, `${field}.substitutions`, report);
  });
  if (recipients > MAX_RECIPIENTS)
    report(
      'personalizations',
      'There is a limit of 1000 total recipients (to + cc + bcc) per request.',
    );
}

/** Answers how many recipients there are. */
function checkRecipients(personalization: Json, field: string, report: Report): number {
  const { to } = personalization;
  if (!Array.isArray(to) || to.length === 0)
    report(
      `${field}.to`,
      'The to array is required for all personalization objects, and must have at least one email object with a valid email address.',
    );
  const seen = new Set<string>();
  let isUnique = true;
  let count = 0;
  for (const kind of ['to', 'cc', 'bcc']) {
    const list: unknown = personalization[kind];
    checkType(list, 'array', `${field}.${kind}`, report);
    if (!Array.isArray(list)) continue;
    count += list.length;
    list.forEach((one: unknown, index) => {
      const email = checkAddress(one, `${field}.${kind}.${index}`, report)?.toLowerCase();
      if (email === undefined) return;
      if (seen.has(email) && isUnique) {
        isUnique = false;
        report(
          field,
          `Each email address in the personalization block should be unique between to, cc, and bcc. We found the first duplicate instance of [${email}] in the ${field}.${kind} field.`,
        );
      }
      seen.add(email);
    });
  }
  return count;
}

function checkAddress(value: unknown, field: string, report: Report): string | undefined {
  const { email, name } = isObject(value) ? value : {};
  checkType(name, 'string', `${field}.name`, report);
  if (typeof email === 'string' && email.length > MAX_ADDRESS_CHARACTERS)
    report(`${field}.email`, 'The email exceeds the maximum total length of 320 characters.');
  else if (typeof email !== 'string' || !ADDRESS.test(email))
    report(`${field}.email`, 'Does not contain a valid address.');
  else return email;
  return undefined;
}

function checkSender(mail: Json, report: Report): void {
  if (!isObject(mail.from))
    report(
      'from',
      'The from object must be provided for every email send. It is an object that requires the email parameter, but may also contain a name parameter.  e.g. {"email" : "example@example.com"}  or {"email" : "example@example.com", "name" : "Example Recipient"}.',
    );
  else checkAddress(mail.from, 'from', report);

  if (mail.reply_to !== undefined && mail.reply_to_list !== undefined)
    report('reply_to_list', 'Only one of reply_to or reply_to_list may be specified.');
  if (mail.reply_to !== undefined) checkAddress(mail.reply_to, 'reply_to', report);
  if (Array.isArray(mail.reply_to_list))
    mail.reply_to_list.forEach((one: unknown, index) =>
      checkAddress(one, `reply_to_list.${index}`, report),
    );
}

const SUBJECT_TEXT = 'The subject of your email must be a string at least one character in length.';

function checkSubject(mail: Json, report: Report): void {
  if (mail.template_id !== undefined) return;
  const list: unknown[] = Array.isArray(mail.personalizations) ? mail.personalizations : [];
  const hasOwn = (one: unknown) => isObject(one) && isText(one.subject);
  if (mail.subject === undefined && list.length > 0 && list.every(hasOwn)) return;
  if (mail.subject === undefined)
    report(
      'subject',
      'The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.',
    );
  else if (!isText(mail.subject)) report('subject', SUBJECT_TEXT);
}

const CONTENT_ORDER = ['text/plain', 'text/html'];

function checkContent(mail: Json, report: Report): void {
  if (mail.content === undefined && mail.template_id !== undefined) return;
  if (!Array.isArray(mail.content) || mail.content.length === 0) {
    report(
      'content',
      'Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block. We typically suggest both text/plain and text/html blocks are included, but only one block is required.',
    );
    return;
  }
  const ranks: number[] = [];
  mail.content.forEach((block: unknown, index) => {
    const { type, value } = isObject(block) ? block : {};
    if (!isText(type))
      report(
        `content.${index}.type`,
        'Your content type must be a string with length of at least one character.',
      );
    else if (/[;,\r\n]/.test(type))
      report(`content.${index}.type`, "The type cannot contain ';', or CRLF characters.");
    else ranks.push(CONTENT_ORDER.includes(type) ? CONTENT_ORDER.indexOf(type) : 2);
    if (!isText(value))
      report(
        `content.${index}.value`,
        'The content value must be a string at least one character in length.',
      );
  });
  if (ranks.some((rank, i) => rank < (ranks[i - 1] ?? 0)))
    report(
      'content',
      'Following RFC 1341, section 7.2, if either text/html or text/plain are to be sent in your email: text/plain needs to be first, followed by text/html, followed by any other content.',
    );
}

function checkAttachments(list: unknown, report: Report): void {
  checkType(list, 'array', 'attachments', report);
  if (!Array.isArray(list)) return;
  list.forEach((one: unknown, index) => {
    const field = `attachments.${index}`;
    const { content, filename, disposition, type } = isObject(one) ? one : {};
    checkType(type, 'string', `${field}.type`, report);
    if (!isText(content))
      report(
        `${field}.content`,
        'The attachment content must be a string at least one character in length.',
      );
    else if (!/^[A-Za-z0-9+/\r\n]+={0,2}\s*$/.test(content))
      report(`${field}.content`, 'The attachment content must be base64 encoded.');
    if (!isText(filename)) report(`${field}.filename`, 'filename is required.');
    else if (/[;,\r\n]/.test(filename))
      report(
        `${field}.filename`,
        'The filename of your attachment cannot contain CRLF characters.',
      );
    if (disposition !== undefined && disposition !== 'inline' && disposition !== 'attachment')
      report(
        `${field}.disposition`,
        `The disposition of your attachment can be either "inline" or "attachment". You provided ${JSON.stringify(disposition)}.`,
      );
  });
}

function checkHeaders(headers: unknown, field: string, report: Report): void {
  if (headers === undefined) return;
  checkStrings(headers, field, 'The header values must be strings.', report);
  for (const name of isObject(headers) ? Object.keys(headers) : []) {
    if (!/^[!-~]+$/.test(name))
      report(field, 'Header keys cannot contain non-ASCII characters and empty spaces.');
    else if (RESERVED_HEADERS.has(name.toLowerCase()))
      report(
        `${field}.${name}`,
        'Header can not be one of the reserved keys: x-sg-id, x-sg-eid, received, dkim-signature, Content-Type, Content-Transfer-Encoding, To, From, Subject, Reply-To, CC, BCC.',
      );
  }
}

function checkCategories(list: unknown, report: Report): void {
  if (list === undefined) return;
  if (!Array.isArray(list) || !list.every((one) => typeof one === 'string')) {
    report('categories', 'Categories must be an array of strings.');
    return;
  }
  if (list.length > MAX_CATEGORIES)
    report(
      'categories',
      `There is a limit of 10 categories for each email that is sent. You provided ${list.length} categories.`,
    );
  list.forEach((category, index) => {
    if (category.length > MAX_CATEGORY_CHARACTERS)
      report(
        `categories.${index}`,
        `Each category must not be longer than 255 characters. ${category} exceeds this limit`,
      );
    if (/[^ -~]/.test(category))
      report(`categories.${index}`, 'Categories can not contain non-ASCII characters.');
    if (list.indexOf(category) !== index)
      report(
        `categories.${index}`,
        `The categories must be a unique list, and you have included ${category} more than once.`,
      );
  });
}

const CUSTOM_ARGS_TEXT = 'All values of custom arguments object must be strings';

function checkCustomArgs(mail: Json, personalization: Json, field: string, report: Report): void {
  checkStrings(personalization.custom_args, field, CUSTOM_ARGS_TEXT, report);
  const merged = { ...asObject(mail.custom_args), ...asObject(personalization.custom_args) };
  if (jsonBytes(merged) > MAX_CUSTOM_ARGS_BYTES)
    report(
      field,
      'The combined size of both global and personalization custom arguments may not exceed 10,000 bytes per personalization.',
    );
}

function checkSubstitutions(value: unknown, field: string, report: Report): void {
  if (value === undefined) return;
  checkStrings(
    value,
    field,
    'The substitution values must be an object of key/value pairs, where the values are all strings.',
    report,
  );
  if (jsonBytes(value) > MAX_SUBSTITUTIONS_BYTES)
    report(field, 'The total size of your substitutions may not exceed 10,000 bytes.');
}

function checkSendAt(value: unknown, field: string, now: Date, report: Report): void {
  if (value === undefined) return;
  if (!Number.isInteger(value))
    report(
      field,
      'The send_at parameter is expecting a Unix timestamp as an integer. We will send immediately if you include a send_at timestamp that is in the past.',
    );
  else if (Number(value) > now.getTime() / 1000 + MAX_AHEAD_SECONDS)
    report(field, 'Scheduling more than 72 hours in advance is forbidden.');
}

function checkType(value: unknown, expected: string, field: string, report: Report): void {
  const given = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  if (value !== undefined && given !== expected)
    report(field, `Invalid type. Expected: ${expected}, given: ${given}.`);
}

function checkStrings(value: unknown, field: string, message: string, report: Report): void {
  if (value === undefined) return;
  if (!isObject(value) || Object.values(value).some((one) => typeof one !== 'string'))
    report(field, message);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Json {
  return isObject(value) ? value : {};
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

export interface Address {
  email: string;
  name?: string;
}

// Line breaks of any kind would let a value write headers of its own.

const CONTROL = /[\u0000-\u001f\u007f\u0085\u2028\u2029]/;
const LOCAL =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~](?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]*[A-Za-z0-9!#$%&'*+/=?^_`{|}~-])?$/;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

export function hasControlCharacter(text: string): boolean {
  return CONTROL.test(text);
}

/** Why this is not an address that we send to; undefined when it is (RFC 5321 lengths, dot-atom local part). */
export function addressProblem(email: string): string | undefined {
  if (CONTROL.test(email)) return 'holds a line break or control character';
  const at = email.lastIndexOf('@');
  if (at < 1) return 'needs a part before and after the @';
  const [local, domain] = [email.slice(0, at), email.slice(at + 1)];
  if (email.length > 254) return 'is longer than 254 characters';
  if (local.length > 64) return 'has more than 64 characters before the @';
  if (!LOCAL.test(local) || local.includes('..'))
    return 'has characters before the @ that mail servers refuse';
  const labels = domain.split('.');
  if (
    labels.length < 2 ||
    !labels.every((label) => LABEL.test(label)) ||
    /^\d+$/.test(labels.at(-1) ?? '')
  )
    return 'has no valid domain after the @ (write international domains in their xn-- form)';
  return undefined;
}

/** `Name <a@b.test>`, `"Name, Jr" <a@b.test>` or `a@b.test`; undefined when it is none of these. */
export function parseAddress(text: string): Address | undefined {
  const trimmed = text.trim();
  const match = /^(?:"((?:[^"\\]|\\.)*)"|([^<>"]*?))\s*<([^<>]+)>$/.exec(trimmed);
  if (!match)
    return trimmed.includes('<') || trimmed.includes(' ') ? undefined : { email: trimmed };
  const name = (match[1]?.replace(/\\(.)/g, '$1') ?? match[2] ?? '').trim();
  return { email: (match[3] ?? '').trim(), ...(name !== '' && { name }) };
}

/**
 * The spelling under which two addresses are the same one. The local part is folded too, although RFC 5321 allows
 * servers to tell case apart: providers report it folded, and a suppressed address must not return in capitals.
 */
export function addressKey(email: string): string {
  return email.toLowerCase();
}

export function domainOf(email: string): string {
  return email.slice(email.lastIndexOf('@') + 1).toLowerCase();
}

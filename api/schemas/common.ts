import { z } from 'zod';
import { parseAddress } from '../../domain/address.ts';
import { PlatformError } from '../../domain/platform-error.ts';
import type { Mode, ServiceContext } from '../../services/context.ts';
import type { PageRequest } from '../../services/paging.ts';

// Printable: what has a control character in it was never typed by a person.
const PRINTABLE = /^\P{Cc}*$/u;
const printableMessage = 'must not hold line breaks or other control characters';

export const printable = (maxLength: number) =>
  z.string().min(1).max(maxLength).regex(PRINTABLE, printableMessage);

/** A time to come in; goes on as `Date`. */
export const timeInput = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text))
  .meta({
    description: 'RFC 3339 time, any offset.',
    override: { examples: ['2026-01-31T12:00:00Z'] },
  });

/** A time to go out. */
export const time = z.iso.datetime().meta({ description: 'UTC time.' });

export const jsonObject = z.record(z.string(), z.unknown());

const addressText = z
  .string()
  .max(500)
  .transform((text, context) => {
    const address = parseAddress(text);
    if (address) return address;
    context.addIssue({
      code: 'custom',
      message: 'Write an address as a@b.test or as "Name <a@b.test>".',
      params: { code: 'address_invalid' },
    });
    return z.NEVER;
  });

export const addressInput = z
  .union([addressText, z.strictObject({ email: z.string(), name: z.string().max(255).optional() })])
  .meta({
    id: 'AddressInput',
    description: '`a@b.test`, `Name <a@b.test>`, or an object.',
    // zod leaves out the examples of what it transforms.
    override: { examples: ['Acme <hello@acme.test>'] },
  });

export const addressesInput = z
  .union([addressInput, z.array(addressInput).max(1_000)])
  .transform((value) => (Array.isArray(value) ? value : [value]));

export const address = z
  .strictObject({ email: z.string(), name: z.string().optional() })
  .meta({ id: 'Address' });

export const mode = z.enum(['live', 'test']);
export const stream = z.enum(['transactional', 'marketing']);

const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(200)
  .default(50)
  .meta({ description: 'Entries per page.' });
const cursor = z
  .string()
  .max(100)
  .optional()
  .meta({ description: 'The `nextCursor` of the page before.' });

export const pageQuery = z.strictObject({
  limit,
  cursor,
  since: timeInput.optional().meta({ description: 'From this time on (inclusive).' }),
  until: timeInput.optional().meta({ description: 'Before this time (exclusive).' }),
}) satisfies z.ZodType<PageRequest>;

export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({
    data: z.array(item),
    nextCursor: z.string().nullable().meta({ description: 'Null on the last page.' }),
  });

/** A key sees its own mode; asking for the other one gets a word instead of an empty list. */
export function checkMode(ctx: ServiceContext, wanted: Mode | undefined): void {
  if (wanted === undefined || wanted === ctx.mode) return;
  const detail = `This key sees ${ctx.mode} data. Use a ${wanted} key for mode=${wanted}.`;
  throw new PlatformError('invalid', detail, {
    errors: [{ pointer: '/mode', code: 'mode_of_key', detail }],
  });
}

/** A version number in a path; what is none names nothing. */
export function readNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new PlatformError('not_found', 'There is no such version.');
  return Number(text);
}

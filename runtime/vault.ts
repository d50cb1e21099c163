import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** What a ciphertext is for. It is part of the seal, so a value moved to another column does not open. */
export type Purpose =
  | 'data_key'
  | 'credentials'
  | 'webhook_secrets'
  | 'webhook_token'
  | 'envelope'
  | 'content'
  | 'address'
  | 'inbox'
  | 'event_raw'
  | 'event_details'
  | 'idempotent_response'
  | 'spool';

const FORMAT = 1;

function seal(key: Buffer, purpose: Purpose, plain: Buffer): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), body]);
}

function open(key: Buffer, purpose: Purpose, sealed: Buffer): Buffer {
  if (sealed[0] !== FORMAT || sealed.length < 29) throw new Error(`not a sealed ${purpose}`);
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 13))
    .setAAD(Buffer.from(purpose))
    .setAuthTag(sealed.subarray(13, 29));
  return Buffer.concat([decipher.update(sealed.subarray(29)), decipher.final()]);
}

/** Seals under one tenant's data key (AES-256-GCM). */
export class TenantVault {
  readonly #key: Buffer;
  readonly #addressKey: Buffer;

  constructor(dataKey: Buffer) {
    this.#key = dataKey;
    this.#addressKey = Buffer.from(hkdfSync('sha256', dataKey, '', 'address', 32));
  }

  seal(purpose: Purpose, plain: Buffer | string): Buffer {
    return seal(this.#key, purpose, typeof plain === 'string' ? Buffer.from(plain) : plain);
  }

  open(purpose: Purpose, sealed: Buffer): Buffer {
    return open(this.#key, purpose, sealed);
  }

  sealJson(purpose: Purpose, value: unknown): Buffer {
    return this.seal(purpose, JSON.stringify(value));
  }

  /** The caller knows what it sealed for this purpose. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  openJson<T>(purpose: Purpose, sealed: Buffer): T {
    return JSON.parse(this.open(purpose, sealed).toString()) as T;
  }

  /** The same address (as `addressKey` spells it) has the same 16 bytes, within this tenant only. */
  hashAddress(addressKey: string): Buffer {
    return createHmac('sha256', this.#addressKey).update(addressKey).digest().subarray(0, 16);
  }
}

/** Holds the master key; everything else is wrapped under it or derived from it. */
export class Vault {
  readonly #wrappingKey: Buffer;
  readonly #tokenKey: Buffer;
  readonly #spoolKey: Buffer;

  /** @param masterKey 32 bytes in base64 */
  constructor(masterKey: string) {
    const master = Buffer.from(masterKey, 'base64');
    const derive = (use: string) => Buffer.from(hkdfSync('sha256', master, '', use, 32));
    this.#wrappingKey = derive('wrap data keys');
    this.#tokenKey = derive('hash tokens');
    this.#spoolKey = derive('spool');
  }

  newDataKey(): Buffer {
    return seal(this.#wrappingKey, 'data_key', randomBytes(32));
  }

  openTenant(dataKeyEnc: Buffer): TenantVault {
    return new TenantVault(open(this.#wrappingKey, 'data_key', dataKeyEnc));
  }

  /** For API keys and webhook tokens: random texts that we must recognise and never show again. */
  hashToken(token: string): Buffer {
    return createHmac('sha256', this.#tokenKey).update(token).digest();
  }

  sealSpool(plain: Buffer): Buffer {
    return seal(this.#spoolKey, 'spool', plain);
  }

  openSpool(sealed: Buffer): Buffer {
    return open(this.#spoolKey, 'spool', sealed);
  }
}

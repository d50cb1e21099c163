import { randomFillSync } from 'node:crypto';

const random = Buffer.alloc(16 * 256);
let used = random.length;
let lastMs = 0;
let counter = 0;

/** A UUIDv7 (RFC 9562): sorted by time, and within one process by the order in which they were made. */
export function newUuid(nowMs: number = Date.now()): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  const bytes = Buffer.from(random.subarray(used, used + 16));
  used += 16;
  if (nowMs === lastMs) counter = (counter + 1) & 0xfff;
  else counter = bytes.readUInt16BE(6) & 0x7ff;
  lastMs = nowMs;
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | counter, 6);
  bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

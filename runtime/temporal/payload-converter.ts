import {
  ApplicationFailure,
  defaultPayloadConverter,
  type Payload,
  type PayloadConverter,
} from '@temporalio/common';

/** Histories are read by people in the Web UI and kept by the engine: ids and codes only, and little of it. */
export const MAX_PAYLOAD_BYTES = 2_048;
const AT_SIGN = 0x40;

/**
 * Refuses what must not enter a history. Loaded by path, in the worker and in workflows alike. It throws a
 * non-retryable failure: a plain error on an activity's result would be retried for ever.
 */
class GuardedPayloadConverter implements PayloadConverter {
  toPayload(value: unknown): Payload {
    const payload = defaultPayloadConverter.toPayload(value);
    const data = payload.data ?? new Uint8Array();
    if (data.length > MAX_PAYLOAD_BYTES)
      throw ApplicationFailure.nonRetryable(`payload of ${data.length} bytes`, 'payload_too_large');
    if (data.includes(AT_SIGN))
      throw ApplicationFailure.nonRetryable('payload holds an @', 'payload_not_ids');
    return payload;
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the SDK's interface
  fromPayload<T>(payload: Payload): T {
    return defaultPayloadConverter.fromPayload<T>(payload);
  }
}

export const payloadConverter = new GuardedPayloadConverter();

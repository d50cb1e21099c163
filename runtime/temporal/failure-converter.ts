import {
  DefaultFailureConverter,
  type PayloadConverter,
  type ProtoFailure,
} from '@temporalio/common';
import { errorCodes } from '../../domain/platform-error.ts';

/**
 * Error texts may quote an address, SQL or a provider; they belong to the logs. In histories a failure is its code:
 * our own code where it has one, else its type.
 */
class CodesOnlyFailureConverter extends DefaultFailureConverter {
  override errorToFailure(error: unknown, payloadConverter: PayloadConverter): ProtoFailure {
    return toCodes(super.errorToFailure(error, payloadConverter));
  }
}

/** Failures whose text the engine and the SDK write themselves. */
const ENGINE_KINDS = [
  'timeoutFailureInfo',
  'canceledFailureInfo',
  'terminatedFailureInfo',
  'activityFailureInfo',
  'childWorkflowExecutionFailureInfo',
] as const;

function toCodes(failure: ProtoFailure): ProtoFailure {
  const isOurs = failure.message != null && failure.message in errorCodes;
  const isEngines = ENGINE_KINDS.some((kind) => failure[kind]);
  const info = failure.applicationFailureInfo;
  if (!isOurs && !isEngines) failure.message = info?.type ?? 'Error';
  if (info) info.details = null;
  failure.stackTrace = '';
  if (failure.cause) toCodes(failure.cause);
  return failure;
}

export const failureConverter = new CodesOnlyFailureConverter();

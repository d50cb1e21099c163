import { fileURLToPath } from 'node:url';
import {
  bundleWorkflowCode,
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
  type LogLevel,
} from '@temporalio/worker';
import type { Activities } from '../activities/index.ts';
import type { Log } from '../runtime/log.ts';
import type { WorkerSettings } from '../runtime/settings.ts';
import { connectionOptions, dataConverter } from '../runtime/temporal/connect.ts';

/** How long a cancelled activity may go on after the grace time. */
const FORCE_AFTER_MS = 5_000;

/** The Temporal side of the process: every workflow and activity on one task queue. Close the connection last. */
export async function createTemporalWorker(
  settings: WorkerSettings,
  log: Log,
  activities: Activities,
): Promise<{ worker: Worker; connection: NativeConnection }> {
  // The process decides about its signals; the SDK would stop at the first one by itself.
  Runtime.install({
    logger: sdkLogger(log),
    shutdownSignals: [],
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: 'WARN' }), forward: {} },
    },
  });
  const workflowBundle =
    settings.WORKFLOW_BUNDLE === undefined
      ? await bundleWorkflows(log)
      : { codePath: settings.WORKFLOW_BUNDLE };
  const connection = await NativeConnection.connect(connectionOptions(settings));
  const worker = await Worker.create({
    connection,
    namespace: settings.TEMPORAL_NAMESPACE,
    taskQueue: settings.TEMPORAL_TASK_QUEUE,
    dataConverter,
    workflowBundle,
    activities,
    maxConcurrentActivityTaskExecutions: settings.WORKER_ACTIVITY_SLOTS,
    maxConcurrentWorkflowTaskExecutions: settings.WORKER_WORKFLOW_SLOTS,
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    activityTaskPollerBehavior: { type: 'autoscaling' },
    nonStickyToStickyPollRatio: 0.5,
    // The default of 0 would cancel provider calls at SIGTERM.
    shutdownGraceTime: settings.SHUTDOWN_GRACE_MS,
    shutdownForceTime: settings.SHUTDOWN_GRACE_MS + FORCE_AFTER_MS,
  });
  return { worker, connection };
}

/** The workflows as the worker loads them; a production image has them prebuilt. */
export async function bundleWorkflows(log: Log): Promise<{ code: string }> {
  return bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)),
    payloadConverterPath: dataConverter.payloadConverterPath,
    failureConverterPath: dataConverter.failureConverterPath,
    logger: sdkLogger(log),
  });
}

const levels: Record<LogLevel, 'trace' | 'debug' | 'info' | 'warn' | 'error'> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'debug', // the SDK's everyday news
  WARN: 'warn',
  ERROR: 'error',
};

function sdkLogger(log: Log): DefaultLogger {
  return new DefaultLogger('INFO', ({ level, message, meta }) => {
    const { error, ...rest } = meta ?? {};
    log[levels[level]]({ ...rest, ...(error !== undefined && { err: error as unknown }) }, message);
  });
}

// Records a run of every kind into this folder: node test/histories/record.ts
// Only when a workflow changed on purpose, behind patched(): the old files stay, new ones get a new name.
import { writeFile } from 'node:fs/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { aSandbox } from '../../sandbox/sandbox-under-test.ts';
import { acceptMessage } from '../../services/messages/accept-message.ts';
import { startEngines } from '../engines.ts';
import { aSender } from '../support/sender.ts';
import { aMessage } from '../support/tenant.ts';
import { until } from '../support/until.ts';
import { aWebhookReceiver, aWorker } from '../support/worker.ts';
import { recordedRuns } from './runs.ts';

const engines = await startEngines();
Object.assign(process.env, engines.environment);
const worker = await aWorker({ TRACKING_WINDOW_TRANSACTIONAL_MS: '3000' });
const sandbox = await aSandbox();
const receiver = await aWebhookReceiver(worker.platform);
try {
  for (const run of recordedRuns) {
    const ctx = await aSender(worker.platform, sandbox, run.withoutEvents ? undefined : receiver.url, run.account);
    await run.before?.(sandbox, ctx);
    const { id, workflowId } = await acceptMessage(
      ctx,
      aMessage({
        ...run.message,
        ...(run.expiresInMs !== undefined && { expiresAt: new Date(Date.now() + run.expiresInMs) }),
      }),
    );
    await run.meanwhile?.(ctx, id);
    const handle = worker.platform.temporal.workflow.getHandle(workflowId);
    const state = () => handle.describe().then(({ status }) => status.name, () => 'not started');
    await until(state, (name) => name === 'COMPLETED', 30_000);
    console.log(run.name, JSON.stringify(await handle.result()));
    await writeFile(
      new URL(`${run.name}.json`, import.meta.url),
      `${historyToJSON(await handle.fetchHistory())}\n`,
    );
    await sandbox.control('DELETE', '/faults');
    await sandbox.control('PUT', '/settings', { honoursCallId: false, provider: 'sendgrid' });
  }
} finally {
  await worker.close();
  await Promise.all([sandbox.close(), receiver.close()]);
  await engines.stop();
}

import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../domain/platform-error.ts';
import { isDatabaseAway } from '../../runtime/database.ts';
import { newUuid } from '../../runtime/new-uuid.ts';
import type { Platform } from '../platform.ts';
import {
  answerWithoutStoring,
  findKeptAccount,
  getWebhookAccount,
  receiveWebhook,
  storePost,
  verifiable,
  type ReceivedPost,
  type WebhookAnswer,
} from './receive-webhook.ts';

interface SpooledPost {
  provider: string;
  account: string;
  token: string;
  receivedAt: string;
  headers: ReceivedPost['headers'];
  body: string;
  isVerified: boolean;
}

export interface Spool {
  /** Stores the post in PostgreSQL or, while that is away, in a fsynced file; throws `unavailable` when full. */
  receive: (post: ReceivedPost) => Promise<WebhookAnswer>;
  /** Moves what lies in the folder to PostgreSQL. @returns how many posts were moved */
  drain: () => Promise<number>;
}

/**
 * Provider webhooks survive an outage of PostgreSQL: most providers repeat a post only for a while, some never. One
 * sealed file per post, written beside, fsynced, then renamed, so that a crash leaves whole files or none.
 */
export async function openSpool(
  platform: Platform,
  folder: string,
  maxBytes: number,
): Promise<Spool> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder))
    if (name.endsWith('.part')) await rm(join(folder, name));
  let usedBytes = 0;
  for (const name of await readdir(folder)) usedBytes += (await stat(join(folder, name))).size;

  async function write(post: ReceivedPost, isVerified: boolean): Promise<void> {
    const spooled: SpooledPost = {
      provider: post.provider,
      account: post.account,
      token: post.token,
      receivedAt: post.receivedAt.toISOString(),
      headers: post.headers,
      body: post.body.toString('base64'),
      isVerified,
    };
    const sealed = platform.vault.sealSpool(Buffer.from(JSON.stringify(spooled)));
    if (usedBytes + sealed.length > maxBytes)
      throw new PlatformError('unavailable', 'The event spool is full.', { retryAfterSeconds: 30 });
    usedBytes += sealed.length;
    const path = join(folder, newUuid());
    const file = await open(`${path}.part`, 'wx', 0o600);
    try {
      await file.writeFile(sealed);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.part`, path);
    const directory = await open(folder, 'r');
    await directory.sync().finally(() => directory.close());
  }

  return {
    receive: async (post) => {
      try {
        return await receiveWebhook(platform, post);
      } catch (error) {
        if (!isDatabaseAway(error)) throw error;
        platform.log.warn(
          { err: error },
          'PostgreSQL is away; a provider webhook goes to the spool',
        );
      }
      const { webhook } = verifiable(post.provider);
      const account = findKeptAccount(platform, post);
      const answer = account && (await answerWithoutStoring(account, webhook, post));
      if (answer) return answer;
      await write(post, account !== undefined);
      return { status: webhook.answers.stored, result: 'stored' };
    },

    drain: async () => {
      const names = (await readdir(folder)).filter((name) => !name.endsWith('.part')).sort();
      let moved = 0;
      for (const name of names) {
        const path = join(folder, name);
        const sealed = await readFile(path);
        const { isVerified, ...spooled } = JSON.parse(
          platform.vault.openSpool(sealed).toString(),
        ) as SpooledPost;
        const post: ReceivedPost = {
          ...spooled,
          receivedAt: new Date(spooled.receivedAt),
          body: Buffer.from(spooled.body, 'base64'),
        };
        try {
          await moveToInbox(platform, post, isVerified);
        } catch (error) {
          // One that cannot be verified now does not hold up the others.
          if (!(error instanceof PlatformError && error.code === 'unavailable')) throw error;
          platform.log.warn({ err: error, account: post.account }, 'a spooled webhook waits');
          continue;
        }
        // A crash before this line stores the post twice; its events are the same ones and count once.
        await rm(path);
        usedBytes -= sealed.length;
        moved += 1;
      }
      return moved;
    },
  };
}

async function moveToInbox(
  platform: Platform,
  post: ReceivedPost,
  isVerified: boolean,
): Promise<void> {
  try {
    const account = await getWebhookAccount(platform, post);
    const { webhook } = verifiable(post.provider);
    const answer = isVerified ? undefined : await answerWithoutStoring(account, webhook, post);
    if (answer) {
      if (answer.result === 'not_authentic')
        platform.log.warn(
          { account: post.account },
          'a spooled webhook was not authentic and is dropped',
        );
      return;
    }
    await storePost(platform, account, post);
  } catch (error) {
    if (!(error instanceof PlatformError && error.code === 'not_found')) throw error;
    platform.log.warn(
      { account: post.account },
      'a spooled webhook names no account and is dropped',
    );
  }
}

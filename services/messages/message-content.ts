import { invalid, PlatformError } from '../../domain/platform-error.ts';
import { buildMime } from '../../providers/mime.ts';
import type { ServiceContext } from '../context.ts';
import { outgoingMessage, withPreheader } from '../delivery/outgoing-message.ts';
import { getContent, getPinnedSource } from '../delivery/prepare-attempt.ts';
import { getMessageLedger } from './find-message.ts';

export type ContentForm = 'html' | 'text' | 'raw';

/** The mail as it reads, from the pinned source: rendering it again gives the same bytes. */
export async function getMessageContent(
  ctx: ServiceContext,
  id: string,
  as: ContentForm,
): Promise<{ contentType: string; body: string | Buffer }> {
  const { ledger, content, source } = await ctx.read(async (em) => {
    const found = await getMessageLedger(em, ctx, id);
    const stored = await getContent(em, ctx.tenant, found.message.id);
    return { ledger: found, content: stored, source: await getPinnedSource(em, found, stored) };
  });
  const rendered = await ctx.platform.renderer.render({ ...source, variables: content.variables });
  if (!rendered.ok)
    throw new PlatformError(
      'state_conflict',
      `This message cannot be rendered: ${rendered.error.detail}`,
    );
  const { html, text, preheader } = rendered.parts;
  if (as === 'raw') {
    const lastCall = ledger.calls.at(-1);
    const outgoing = outgoingMessage(
      ctx.tenant,
      ledger.message,
      content,
      rendered.parts,
      ledger.recipients,
      {
        callId: lastCall?.id ?? ledger.message.id,
        attempt: lastCall?.attempt ?? 0,
      },
    );
    return { contentType: 'message/rfc822', body: await buildMime(outgoing) };
  }
  const body = as === 'html' ? html && withPreheader(html, preheader) : text;
  if (body === undefined) throw invalid('/as', 'not_in_message', `This message has no ${as} part.`);
  return {
    contentType: as === 'html' ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8',
    body,
  };
}

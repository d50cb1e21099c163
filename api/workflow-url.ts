import type { TenantKey } from '../services/authenticate.ts';
import type { ServiceContext } from '../services/context.ts';

/** Adds where the run can be seen, for those who may look into Temporal. */
export function withWorkflowUrl<View extends { workflowId: string }>(
  view: View,
  key: TenantKey,
  ctx: ServiceContext,
): View & { workflowUrl?: string } {
  const { TEMPORAL_UI_URL, TEMPORAL_NAMESPACE } = ctx.platform.settings;
  if (TEMPORAL_UI_URL === undefined || !key.scopes.includes('inspect')) return view;
  const namespace = encodeURIComponent(TEMPORAL_NAMESPACE);
  const run = encodeURIComponent(view.workflowId);
  const workflowUrl = `${TEMPORAL_UI_URL.replace(/\/$/, '')}/namespaces/${namespace}/workflows/${run}`;
  return { ...view, workflowUrl };
}

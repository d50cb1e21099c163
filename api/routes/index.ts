import type { Route } from '../route.ts';
import { eventRoutes } from './events.ts';
import { messageStoryRoutes } from './message-story.ts';
import { messageRoutes } from './messages.ts';
import { providerAccountRoutes } from './provider-accounts.ts';
import { sendingDomainRoutes } from './sending-domains.ts';
import { templateVersionRoutes } from './template-versions.ts';
import { templateRoutes } from './templates.ts';
import { tenantRoutes } from './tenant.ts';

/** Every operation of a tenant, in the order of the documentation. */
export const routes: Route[] = [
  ...messageRoutes,
  ...messageStoryRoutes,
  ...templateRoutes,
  ...templateVersionRoutes,
  ...eventRoutes,
  ...providerAccountRoutes,
  ...sendingDomainRoutes,
  ...tenantRoutes,
];

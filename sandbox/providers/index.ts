import type { SandboxProvider } from '../provider.ts';
import { sendgrid } from './sendgrid/index.ts';
import { smtp } from './smtp/index.ts';

/** Every pretend provider. A new one is a folder and a row here. */
export const providers: readonly SandboxProvider[] = [sendgrid, smtp];

import { Tenancy } from './m0001-tenancy.ts';
import { Sending } from './m0002-sending.ts';
import { Events } from './m0003-events.ts';

/** In order; a name once released never changes. */
export const migrations = [
  { name: 'm0001-tenancy', class: Tenancy },
  { name: 'm0002-sending', class: Sending },
  { name: 'm0003-events', class: Events },
];

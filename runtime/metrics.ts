import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** What one process counts; served as text at `/metrics`. */
export function createMetrics(service: string) {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    accepted: new Counter({
      name: 'messages_accepted_total',
      help: 'Messages accepted',
      labelNames: ['mode', 'stream'],
      registers,
    }),
    outcomes: new Counter({
      name: 'outcomes_total',
      help: 'Recipient outcomes of provider calls',
      labelNames: ['provider', 'outcome', 'class'],
      registers,
    }),
    alarms: new Counter({
      name: 'alarms_total',
      help: 'Things that a person must look at',
      labelNames: ['kind'],
      registers,
    }),
    events: new Counter({
      name: 'events_total',
      help: 'Provider events applied',
      labelNames: ['provider', 'type'],
      registers,
    }),
    webhooks: new Counter({
      name: 'webhooks_total',
      help: 'Provider webhook posts',
      labelNames: ['provider', 'answer'],
      registers,
    }),
    toProviderMs: new Histogram({
      name: 'accept_to_provider_ms',
      help: 'From acceptance (or due time) to the request',
      buckets: [5, 10, 20, 50, 100, 250, 500, 1000, 5000, 30000],
      registers,
    }),
    callMs: new Histogram({
      name: 'provider_call_ms',
      help: 'One provider call',
      labelNames: ['provider'],
      buckets: [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000],
      registers,
    }),
    webhookAgeMs: new Histogram({
      name: 'webhook_age_ms',
      help: 'From a post to its events applied',
      buckets: [10, 50, 100, 250, 500, 1000, 5000, 60000],
      registers,
    }),
    laneLag: new Gauge({ name: 'event_lane_lag', help: 'Events not yet in ClickHouse', registers }),
    inboxDepth: new Gauge({
      name: 'webhook_inbox_depth',
      help: 'Posts not yet applied',
      registers,
    }),
  };
}
export type Metrics = ReturnType<typeof createMetrics>;

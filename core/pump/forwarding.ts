/** Between ingest, pump and delivery: what installations get with a response, in the only order that works. */
import type { DeliveryEngine } from '../delivery/engine.ts'
import type { Published } from '../delivery/ports.ts'
import type { Forwarding } from '../ingest/take-in.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Pump } from './pump.ts'

export interface ForwardingDeps {
  readonly pump: Pick<Pump, 'forwards' | 'forwarded'>
  readonly engine: Pick<DeliveryEngine, 'ahead' | 'aheadOver' | 'push'>
  readonly published: Published
}

/** A response that is on disk, with its deliveries. */
export interface StoredResponse {
  readonly event: LogEvent
  readonly deliveries: readonly Delivery[]
}

/** `stored` has to be called for everything that `forwarding` was asked about and that is on disk. */
export function createForwarding({ pump, engine, published }: ForwardingDeps): {
  readonly forwarding: Forwarding
  readonly stored: (responses: readonly StoredResponse[]) => void
} {
  return {
    forwarding: {
      wanted: pump.forwards,
      storing: (event, forwards) => engine.ahead(event, forwards),
      refused: (eventId) => engine.aheadOver(eventId),
    },
    stored: (responses) => {
      try {
        // First the pump, or it would look at what is dealt with; then memory, where attempts find their events.
        for (const { event, deliveries } of responses) pump.forwarded(event, deliveries)
        published(responses.map(({ event }) => event))
        engine.push(responses.flatMap(({ deliveries }) => deliveries))
      } finally {
        for (const { event } of responses) engine.aheadOver(event.id)
      }
    },
  }
}

/** A behaviour event of the log as the ladder counts it. */
import { visitorOf } from '../../contract/visitor.ts'
import type { Json } from '../../contract/json.ts'
import type { Counted } from './counts.ts'

const PREFIX = 'track.'
const CONVERSION = 'conversion'

type Part = { readonly [key: string]: Json }

export interface LadderEvent extends Counted {
  readonly occurredMs: number
  readonly visitor: string | null
}

const text = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null)

/** `data` and `meta` as they stand in the log. */
export function ladderEvent(row: {
  readonly type: string
  readonly at: string
  readonly data: string
  readonly meta: string | null
}): LadderEvent {
  const data = JSON.parse(row.data) as Part
  const meta = JSON.parse(row.meta ?? '{}') as Part
  const family = row.type.slice(PREFIX.length)
  const campaign = (data['campaign'] ?? {}) as Part
  const occurredMs = Date.parse(text(data['occurred_at']) ?? row.at)
  return {
    occurredMs: Number.isNaN(occurredMs) ? Date.parse(row.at) : occurredMs,
    visitor: visitorOf(data, meta),
    isConversion: family === CONVERSION,
    value: typeof data['value'] === 'number' ? data['value'] : null,
    currency: text(data['currency']),
    values: {
      type: family,
      name: text(data['name']) ?? family,
      source: text(campaign['source']),
      device: text(meta['device']),
      country: text(meta['country']),
      form: text(data['form_id']),
    },
  }
}

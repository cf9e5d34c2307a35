/**
 * A record of any Salesforce object for each response, upserted by an external id: by default the event's id, so whatever
 * is repeated is the same record. Up to 200 responses are one call.
 */
import { dead, definePlugin } from 'manifold/plugin'
import type { FinalOutcome } from 'manifold/plugin'
import { upsertAll, type Row } from './batch.ts'
import { check } from './check.ts'
import { FieldError, recordOf } from './record.ts'
import type { Plugin } from './types.d.ts'

export default definePlugin<Plugin>({
  check,
  actions: {
    upsert: {
      run: async (items, ctx) => {
        const own = new Map<number, FinalOutcome>()
        const rows: Row[] = []
        for (const [place, item] of items.entries()) {
          if (item.event === undefined) own.set(place, dead('event_erased', 'The response was deleted.'))
          else {
            try {
              rows.push({ place, ...recordOf(item, ctx.config) })
            } catch (error) {
              if (!(error instanceof FieldError)) throw error
              own.set(place, dead('field_value', error.message))
            }
          }
        }
        const outcomes = rows.length === 0 ? own : new Map([...own, ...(await upsertAll(ctx, rows))])
        return items.map((_item, place) => outcomes.get(place) ?? dead('internal', 'The record got no outcome.'))
      },
    },
  },
})

/**
 * Appends each response as a row of a Google spreadsheet. Google knows no idempotency keys, so each row begins with the
 * event's id; when an attempt may be a repeat, that column is read once and what is there already is left out.
 */
import { dead, definePlugin } from 'manifold/plugin'
import { append } from './append.ts'
import { check } from './check.ts'
import type { Plugin } from './types.d.ts'

export default definePlugin<Plugin>({
  check,
  actions: {
    append: {
      run: async (items, ctx) => {
        const lost = dead('event_erased', 'The response was deleted.')
        const rows = items.flatMap(({ event, delivery }, place) =>
          event === undefined ? [] : [{ place, event, repeat: delivery.repeat }],
        )
        const outcomes = await append(rows, ctx)
        return items.map((_, place) => outcomes.get(place) ?? lost)
      },
    },
  },
})

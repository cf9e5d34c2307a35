/**
 * Appends each response as a row of a Google spreadsheet. Google knows no idempotency keys, so each row has its delivery's id;
 * when an attempt may be a repeat, that column is read once Google is through with the earlier one, and what is there is left
 * out.
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
        const rows = items.flatMap(({ event, delivery: { id, repeat, sentBefore } }, place) =>
          event === undefined
            ? []
            : [{ place, event: { ...event, deliveryId: id }, sentBeforeMs: repeat ? timeOf(sentBefore) : null }],
        )
        const outcomes = await append(rows, ctx)
        return items.map((_, place) => outcomes.get(place) ?? lost)
      },
    },
  },
})

/** Without a time: perhaps just now. */
const timeOf = (text: string | undefined): number => (text === undefined ? Date.now() : Date.parse(text))

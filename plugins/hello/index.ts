/** The example to start from: greets each response and counts what people answered to one question. */
import { definePlugin } from 'manifold/plugin'
import type { Plugin } from './types.d.ts'

export default definePlugin<Plugin>({
  on: {
    // Runs in the sandbox, once for each event. What it asks of ctx is committed together with its place in the log, or
    // not at all: a crash halfway never counts a response twice.
    'response.submitted': async (event, ctx) => {
      const answer = event.data[ctx.config.question] ?? 'no answer'
      const first = (await ctx.kv.get('first-response')) === undefined // memory of this installation; reads wait
      if (first) ctx.kv.set('first-response', event.id) // writes are only noted down, so there is nothing to wait for
      // A counter; read it back with `await ctx.tallies('answer:')`. Its name is never what a sender writes freely: names
      // are kept, and there is an end to how many.
      const choices = event.form?.fields.find(({ key }) => key === ctx.config.question)?.options ?? []
      ctx.tally(`answer:${choices.find(({ value }) => value === answer)?.value ?? 'another'}`)
      ctx.log.info(`Hello ${first ? 'first ' : ''}response to ${event.form?.name}`, { answer })
    },
  },
})

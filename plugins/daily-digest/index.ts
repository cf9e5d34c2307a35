/**
 * A digest by schedule. Handlers count with tallies, which only add; the schedule compares them with what it had counted the
 * last time, and its memory and the e-mails it asks for are committed together: no response is counted twice or left out.
 */
import { classify, definePlugin } from 'manifold/plugin'
import type { ContextOf, ResponseInfo } from 'manifold/plugin'
import type { Plugin } from './types.d.ts'

type Counts = { readonly [form: string]: number }
type Last = { readonly at: string; readonly counts: Counts }

export default definePlugin<Plugin>({
  on: {
    'response.submitted': (event, ctx) => ctx.tally((event.form?.name ?? 'a deleted form').slice(0, 100)),
  },
  schedules: {
    digest: async (tick, ctx) => {
      const last = ((await ctx.kv.get('last')) ?? { at: null, counts: {} }) as Last | { at: null; counts: Counts }
      const counts = await ctx.tallies()
      const fresh = Object.entries(counts)
        .map(([form, count]) => [form, count - (last.counts[form] ?? 0)] as const)
        .filter(([, count]) => count > 0)
      ctx.kv.set('last', { at: tick.at, counts })
      const total = fresh.reduce((sum, [, count]) => sum + count, 0)
      if (total === 0 && ctx.config.quiet) return
      const lines = [
        `Since ${last.at ?? 'the beginning'}: ${total} new ${total === 1 ? 'response' : 'responses'}.`,
        // The hub stood still at the times between; this digest covers them.
        ...(tick.missed > 0 ? [`Digests that were not sent because the hub stood still: ${tick.missed}.`] : []),
        '',
        ...fresh.map(([form, count]) => `${count} × ${form}`),
        '',
        ...(await newest(last.at, ctx)),
      ]
      for (const to of ctx.config.to)
        ctx.enqueue(
          'send',
          { to, subject: `${total} new responses`, text: lines.join('\n') },
          { key: `${tick.at} ${to}` },
        )
    },
  },
  actions: {
    // One e-mail a delivery: an address that is refused is no reason to write to the others again.
    send: { run: async ([item], ctx) => (item?.input ? classify(await ctx.email(item.input)) : undefined) },
  },
})

async function newest(since: string | null, ctx: ContextOf<Plugin>): Promise<readonly string[]> {
  if (ctx.config.newest === 0) return []
  const { items } = await ctx.responses.list({ limit: ctx.config.newest, ...(since === null ? {} : { since }) })
  return items.map(shown)
}

/** Answers to fields marked pii are in it only if the installation grants them. */
const shown = ({ formId, submittedAt, data }: ResponseInfo): string =>
  `${submittedAt ?? 'not finished'} ${formId}: ${JSON.stringify(data).slice(0, 300)}`

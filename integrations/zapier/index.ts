/**
 * Carries out hooks: for each event one delivery to every program that asked for it at `/api/v2/hooks`. Each hook has a
 * pace and a breaker of its own, so that one that is slow or down holds up no other.
 *
 * Every request carries `Idempotency-Key` and `webhook-id`, both the delivery's id: the same on every retry and replay.
 */
import { classify, dead, definePlugin, delivered, flatEvent } from 'manifold/plugin'
import type { ContextOf, HookEvent, HttpResponse, ItemOf, Outcome } from 'manifold/plugin'
import type { Plugin } from './types.d.ts'

type Item = ItemOf<Plugin, 'post'>

/** What wants it, and where in the list of those that do. */
interface Wanted {
  readonly eventId: string
  readonly event: HookEvent
  readonly form: string | undefined
  readonly after?: string
}

export default definePlugin<Plugin>({
  on: {
    'response.submitted': ({ id, form }, ctx) =>
      fanOut({ eventId: id, event: 'response.submitted', form: form?.id }, ctx),
    'response.partial': ({ id, form }, ctx) => fanOut({ eventId: id, event: 'response.partial', form: form?.id }, ctx),
    'form.changed': async ({ id, form, data }, ctx) => {
      await fanOut({ eventId: id, event: 'form.changed', form: form?.id }, ctx)
      // Both in one run could be more than a run may ask for.
      if (data['created'] === true) ctx.enqueue('spread', { event: 'form.created' }, { key: `${id}:form.created` })
    },
    // Its own dead letters would only make new ones.
    'delivery.dead': async ({ id, form, data }, ctx) => {
      if (data['installation'] === ctx.run.installation) return
      await fanOut({ eventId: id, event: 'delivery.dead', form: form?.id }, ctx)
    },
    'alert.raised': ({ id }, ctx) => fanOut({ eventId: id, event: 'alert.raised', form: undefined }, ctx),
  },
  actions: {
    post: { run: ([item], ctx) => (item === undefined ? undefined : post(item, ctx)) },
    spread: {
      run: async ([item], ctx) => {
        if (item?.event === undefined) return ERASED
        const { event, after } = item.input
        const from = after === undefined ? {} : { after }
        await fanOut({ eventId: item.event.id, event, form: item.event.form?.id, ...from }, ctx)
        return delivered()
      },
    },
  },
})

const ERASED = dead('event_erased', 'The event of this delivery is no longer there.')

/** A run may ask for so much: a page of hooks at once, and the rest by a delivery that goes on from there. */
async function fanOut({ eventId, event, form, after }: Wanted, ctx: ContextOf<Plugin>): Promise<void> {
  const of = form === undefined ? {} : { form }
  const { items, next } = await ctx.hooks.list({
    event,
    eventId,
    ...of,
    ...(after === undefined ? {} : { after }),
  })
  for (const { id } of items) {
    ctx.enqueue('post', { hook: id, event, ...of }, { key: `${eventId}:${event}:${id}`, paceBy: id })
  }
  if (next !== null) ctx.enqueue('spread', { after: next, event }, { key: `${eventId}:${event}:after:${next}` })
}

async function post({ input, event, delivery }: Item, ctx: ContextOf<Plugin>): Promise<Outcome> {
  if (event === undefined) return ERASED
  const hook = await ctx.hooks.get(input.hook)
  // Whoever asked for it wants it no more: nothing failed, and nothing is owed.
  if (hook === undefined) return delivered({ skipped: 'The hook was removed: nothing is sent to it any more.' })
  if (hook.isStill)
    return dead(
      'hook_gone',
      'The hook has expired, or its key or its form has ended: nothing is sent to it until it is asked for again.',
    )
  const wants = hook.event === input.event && (hook.form === null || hook.form === input.form)
  if (!wants) return dead('hook_gone', 'The hook asks for something else by now.')
  const body = flatEvent(event, input.event, { hubUrl: hook.hubUrl })
  if (body === null) return ERASED
  const headers = { 'idempotency-key': delivery.id, 'webhook-id': delivery.id, 'x-manifold-event': input.event }
  let answer: HttpResponse
  try {
    answer = await ctx.http({ method: 'POST', url: hook.url, headers, json: body })
  } catch (error) {
    // What waits for a breaker was not sent.
    if ((error as { code?: string }).code !== 'breaker_open') await ctx.hooks.note(hook.id, (error as Error).message)
    throw error
  }
  return judge(answer, hook.id, ctx)
}

/** 410 ends the hook, and nothing else does. */
async function judge(answer: HttpResponse, hook: string, ctx: ContextOf<Plugin>): Promise<Outcome> {
  const { status } = answer
  if (status >= 200 && status < 300) {
    await ctx.hooks.note(hook, null)
    return delivered()
  }
  if (status === 410) {
    await ctx.hooks.remove(hook, 'the receiver answered 410 Gone')
    return delivered({ skipped: 'The receiver answered 410 Gone, so the hook was removed.' })
  }
  await ctx.hooks.note(hook, `The receiver answered ${status}.`)
  const outcome = classify(answer)
  // A receiver that asks to wait has done nothing, and waiting uses up no attempt.
  return status === 429 && outcome.outcome === 'retry' ? { ...outcome, untouched: true } : outcome
}

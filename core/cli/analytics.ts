/** `manifold analytics rebuild`: what the analytics keep is made anew from the log, and compared with what it was. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Run } from './call.ts'
import { CliError } from './exit-codes.ts'
import { connect } from './hub-client.ts'

const POLL_MS = 300
const DIGEST_CHARS = 12
const PATH = '/api/v2/analytics/rebuild'

const numbers = z.object({ started: z.number(), completed: z.number(), digest: z.string() }).nullable()
const events = z.object({ count: z.number(), digest: z.string() })
const rebuild = z.object({
  state: z.enum(['none', 'running', 'done', 'failed']),
  read: z.number(),
  head: z.number(),
  equal: z.boolean().nullable(),
  error: z.string().nullable(),
  events: z.object({ before: events, after: events, equal: z.boolean() }).nullable(),
  forms: z.array(z.object({ form_id: z.string(), before: numbers, after: numbers, equal: z.boolean() })),
})

export const run: Run = async (call) => {
  const { terminal } = call
  const hub = connect(call)
  const bar = terminal.progress('reading the log anew')
  let now = await hub.request('POST', PATH, { as: rebuild })
  while (now.state === 'running') {
    bar.set(now.head === 0 ? 1 : now.read / now.head, `${now.read} of ${now.head} entries of the log`)
    await sleep(POLL_MS)
    now = await hub.request('GET', PATH, { as: rebuild })
  }
  bar.done()
  if (now.state !== 'done')
    throw new CliError('failed', `The rebuild failed: ${now.error ?? 'the hub was started anew'}.`)
  if (call.options['json']) terminal.json(now)
  else
    terminal.table(
      ['form', 'before: started', 'completed', 'digest', 'after: started', 'completed', 'digest', ''],
      now.forms.map(({ form_id: form, before, after, equal }) => [
        form,
        ...shown(before),
        ...shown(after),
        equal ? 'equal' : 'DIFFERENT',
      ]),
    )
  if (now.events !== null && !call.options['json']) {
    const { before, after, equal } = now.events
    const shownAs = ({ count, digest }: typeof before): string => `${count} (${digest.slice(0, DIGEST_CHARS)})`
    terminal.say(
      `behaviour events: ${shownAs(before)} before, ${shownAs(after)} after: ${equal ? 'equal' : 'DIFFERENT'}`,
    )
  }
  if (now.equal !== true)
    throw new CliError(
      'failed',
      'What there was before and what was read anew are not equal; what was read anew is what answers now.',
      'keep this output and the hub’s log, and report it',
    )
  terminal.say(
    `read ${now.head} entries of the log; the headline numbers of ${now.forms.length} forms are what they were`,
  )
}

const shown = (of: z.infer<typeof numbers>): readonly (number | string)[] =>
  of === null ? ['-', '-', '-'] : [of.started, of.completed, of.digest.slice(0, DIGEST_CHARS)]

/** The log as native plugins read it: from memory or from storage it says the same. */
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Form, LogEvent } from '../../core/model.ts'
import type { LogRead } from '../../core/native/protocol.ts'
import { openNativeServices } from '../../core/native/services.ts'
import { createRecentEvents } from '../../core/pump/recent-events.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { noSharedCache } from '../../core/cache/none/cache.ts'

const FORM = { id: 'f', name: 'F', version: 1, fields: [] } as unknown as Form
const VIEW = { form: FORM, piiKeys: [] }
const event = (seq: number, formId: string | null): LogEvent => ({
  seq,
  workspace: 'default',
  id: `evt_${seq}`,
  type: 'response.submitted',
  at: '2026-11-27T12:00:00.000Z',
  formId,
  responseId: null,
  response: null,
  data: JSON.stringify({ n: seq }),
  meta: '{}',
  hops: 0,
})
const LOG = [1, 2, 3, 4, 5].map((seq) => event(seq, seq === 4 ? null : 'f'))
const installation = {
  key: 'default/a',
  id: 'a',
  workspace: 'default',
  pii: false,
  when: { forms: null, events: null, filter: null },
  plugin: { manifest: { on: { 'response.submitted': { data: ['data', 'form'] } } } },
} as unknown as Installation

test.each([
  ['all of it in memory', 0],
  ['nothing in memory', 5],
  ['only the newest in memory', 3],
])('%s', async (_where, from) => {
  const recent = createRecentEvents(LIMITS)
  recent.add(LOG.slice(from))
  let reads = 0
  const service = openNativeServices({
    store: {
      headSeq: async () => LOG.length,
      readEvents: async ({ afterSeq, limit }) => {
        reads += 1
        return LOG.slice(afterSeq, afterSeq + limit)
      },
      readLadder: () => Promise.reject(new Error('not asked')),
      ladderHeld: () => Promise.reject(new Error('not asked')),
      getForm: () => Promise.reject(new Error('not asked')),
      listForms: () => Promise.reject(new Error('not asked')),
    },
    recent,
    find: () => installation,
    limits: LIMITS,
    formViews: { of: ({ formId }) => (formId === null ? undefined : VIEW), newest: () => undefined },
    sharing: { plugins: noSharedCache },
    clock: systemClock,
  })
  const read = async (after: number) => (await service('default/a', 'log.read', { after, limit: 100 })) as LogRead
  const whole = await read(0)
  expect(whole.texts.map((text) => (JSON.parse(text) as { data: object }).data)).toEqual(
    LOG.map(({ seq: n }) => ({ n })),
  )
  expect(whole.seqs).toEqual([1, 2, 3, 4, 5])
  expect(whole.forms.map((text) => (JSON.parse(text) as Form).id)).toEqual(['f'])
  expect(whole.formAt).toEqual([0, 0, 0, -1, 0])
  expect(whole.next).toBe(5)
  expect(reads).toBe(from === 0 ? 0 : 1)
  // Memory ends there, and so does the log: storage has the last word.
  expect(await read(5)).toMatchObject({ texts: [], next: 5 })
})

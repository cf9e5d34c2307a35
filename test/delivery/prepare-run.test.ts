/** What a run is given, where a field that its settings need is private. */
import { expect, test } from 'vitest'
import { prepare } from '../../core/delivery/prepare-run.ts'
import { newId } from '../../core/ids.ts'
import type { Prepared } from '../../core/delivery/prepare-run.ts'
import type { Field, LogEvent } from '../../core/model.ts'
import type { FormView } from '../../core/routing/event-json.ts'
import { newDelivery, TEST_MARK } from '../../core/storage/new-delivery.ts'
import { delivery } from '../contract/store/fixtures.ts'
import { installation } from './world.ts'

const owner = { workspace: 'default', installation: 'crm', plugin: 'double', at: '2026-03-01T10:00:00.000Z' }
const field = (pii: boolean): Field => ({
  key: 'email',
  label: 'E-mail',
  type: 'email',
  required: false,
  pii,
  options: [],
})
/** Of one form the answer is private now, of the other it is not. */
const viewOf = (id: string): FormView =>
  ({
    form: { id, name: id, version: 2, fields: [field(id === 'private')] },
    piiKeys: id === 'private' ? ['email'] : [],
  }) as never
const eventOf = (formId: string): LogEvent =>
  ({
    id: `evt_${formId}`,
    type: 'response.submitted',
    at: owner.at,
    formId,
    data: '{"email":"ada@example.org"}',
  }) as never

const CRM = {
  ...installation({
    id: 'crm',
    code: {},
    manifest: { actions: { post: { data: ['data'], batch: { max: 10 } } } },
  }),
  pii: false,
  neededFields: ['email'],
}

const prepared = (forms: readonly string[], isLook = false): Prepared | Promise<Prepared> =>
  prepare(
    {
      store: { getEvent: async () => undefined },
      formOf: ({ formId }) => viewOf(formId ?? ''),
      eventInMemory: (_, id) => eventOf(id.slice('evt_'.length)),
    },
    {
      installation: CRM,
      deliveries: forms.map((formId) => newDelivery(owner, delivery({ eventId: `evt_${formId}`, formId }))),
      runId: 'run_1',
      repeats: new Map(),
      isLook,
    },
  )
const dataOf = ({ input }: Prepared) =>
  'kind' in input && input.kind === 'action'
    ? input.itemsJson.map((text) => (JSON.parse(text) as { event: { data: object } }).event.data)
    : null

test('what lacks a field that is needed is not sent, alone or beside others of its batch', async () => {
  expect(() => prepared(['private'])).toThrow(expect.objectContaining({ code: 'field_withheld' }))
  const both = await prepared(['private', 'public'])
  expect(dataOf(both)).toEqual([{ email: 'ada@example.org' }])
  expect([...both.absent].map(([place, { code }]) => [place, code])).toEqual([[0, 'field_withheld']])
  const none = await prepared(['private', 'private'])
  expect([dataOf(none), none.absent.size]).toEqual([null, 2])
})

test('of a run from before it is shown what may be seen now', async () => {
  expect(dataOf(await prepared(['private', 'public'], true))).toEqual([{}, { email: 'ada@example.org' }])
  expect(dataOf(await prepared(['private'], true))).toEqual([{}])
})

test('what was caused by hand is told so to the action, and nothing else is', async () => {
  const { input } = await prepared(['public'])
  const tried = newDelivery(owner, delivery({ eventId: null, key: `mine${TEST_MARK}${newId('run')}` }))
  const odd = newDelivery(owner, delivery({ eventId: null, key: `mine${TEST_MARK}not an id` }))
  const again = await prepare(
    { store: { getEvent: async () => undefined }, formOf: () => undefined, eventInMemory: () => undefined },
    { installation: CRM, deliveries: [tried, odd], runId: 'run_1', repeats: new Map() },
  )
  const marks = [input, again.input].flatMap((each) =>
    'kind' in each && each.kind === 'action'
      ? each.itemsJson.map((text) => (JSON.parse(text) as { delivery: { test?: true } }).delivery.test)
      : [],
  )
  expect(marks).toEqual([undefined, true, undefined])
})

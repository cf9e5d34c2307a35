/** The flat shape: every field whatever was answered, the same keys always, and words for people beside the values. */
import { expect, test } from 'vitest'
import { flatEvent, flatResponse } from '../../core/contract/index.ts'
import type { HubEvent } from '../../core/contract/index.ts'

const AT = '2026-11-27T12:35:00.000Z'
const OPTIONS = [
  { value: 'a', label: 'Apples' },
  { value: 'b', label: 'Pears' },
]
const TYPES = [
  'text',
  'long_text',
  'email',
  'number',
  'boolean',
  'date',
  'datetime',
  'select',
  'multi_select',
  'radio',
  'rating',
  'file',
  'hidden',
]
const FORM = {
  id: 'all',
  name: 'All of it',
  version: 3,
  fields: TYPES.map((type) => ({
    key: type,
    label: `Your ${type}?`,
    type,
    required: false,
    pii: false,
    ...(/select|radio/.test(type) ? { options: OPTIONS } : {}),
  })),
}
const RESPONSE = { id: 'rsp_1', status: 'completed', startedAt: null, submittedAt: AT } as const
const flat = (data: { [key: string]: never } | object) =>
  flatResponse({ form: FORM, response: RESPONSE, data: data as never }, { hubUrl: 'https://hub.example' })

test('an answer of every type, as value and as words', () => {
  const data = {
    text: 'Ada',
    number: 3.5,
    boolean: false,
    date: '2026-03-01',
    datetime: '2026-03-01T09:05:00+02:00',
    select: 'a',
    multi_select: ['b', 'own words'],
    radio: 'b',
    rating: 4,
    file: { url: 'https://files.example/1', name: 'cv.pdf' },
  }
  expect(flat({ ...data, campaign: { n: 1 } })).toEqual({
    id: 'rsp_1',
    form_id: 'all',
    form_name: 'All of it',
    form_version: 3,
    status: 'completed',
    started_at: null,
    started_at_text: '',
    submitted_at: AT,
    submitted_at_text: '27 Nov 2026, 12:35 UTC',
    url: 'https://hub.example/responses/rsp_1',
    answers: { ...data, long_text: null, email: null, hidden: null, file: 'https://files.example/1' },
    texts: {
      text: 'Ada',
      long_text: '',
      email: '',
      number: '3.5',
      boolean: 'No',
      date: '1 Mar 2026',
      datetime: '1 Mar 2026, 07:05 UTC',
      select: 'Apples',
      multi_select: 'Pears, own words',
      radio: 'Pears',
      rating: '4',
      file: 'cv.pdf',
      hidden: '',
    },
    choices: { multi_select: { a: null, b: 'Pears' } },
    files: { file: 'https://files.example/1' },
    labels: Object.fromEntries(TYPES.map((type) => [type, `Your ${type}?`])),
    other_answers: '{"campaign":{"n":1}}',
  })
})

test('what a hidden field got is text, whatever it was; a response has its own version of the form', () => {
  for (const [answer, text] of [
    [7, '7'],
    [true, 'true'],
    [{ n: 1 }, '{"n":1}'],
    ['x', 'x'],
  ])
    expect(flat({ hidden: answer })['answers']).toMatchObject({ hidden: text })
  expect(
    flatResponse({ form: FORM, response: RESPONSE, data: {} }, { hubUrl: null, formVersion: 2 })['form_version'],
  ).toBe(2)
})

test('the keys are the same whatever was answered', () => {
  const paths = (value: unknown, at = ''): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, inner]) => paths(inner, `${at}/${key}`))
      : [at]
  const full = flat({ text: 'x', multi_select: ['a'], file: 'https://files.example/1', more: 1 })
  const none = flat({})
  expect(paths(none)).toEqual(paths(full))
  expect(none['answers']).toMatchObject({ text: null, multi_select: [] })
  expect(none['other_answers']).toBe('')
})

test('events of each kind, and those that a hook is not about', () => {
  const event = (type: string, data: HubEvent['data'], rest: Partial<HubEvent> = {}): HubEvent => ({
    id: 'evt_1',
    type,
    v: 1,
    at: AT,
    form: FORM,
    ...(data === undefined ? {} : { data }),
    ...rest,
  })
  const none = { hubUrl: null }
  const changed = event('form.changed', { form_id: 'all', version: 1, created: true })
  expect(flatEvent(changed, 'form.created', none)).toEqual({
    id: 'all',
    form_id: 'all',
    form_name: 'All of it',
    form_version: 1,
    field_count: 13,
    changed_at: AT,
    changed_at_text: '27 Nov 2026, 12:35 UTC',
    url: '/forms/all',
  })
  expect(flatEvent(changed, 'form.changed', none)).toMatchObject({ id: 'evt_1', form_id: 'all' })
  expect(flatEvent(event('form.changed', { version: 2, created: false }), 'form.created', none)).toBeNull()
  const submitted = event('response.submitted', { text: 'Ada' }, { response: RESPONSE })
  expect(flatEvent(submitted, 'response.submitted', none)).toEqual(
    flatResponse({ form: FORM, response: RESPONSE, data: { text: 'Ada' } }, none),
  )
  expect(flatEvent(event('response.submitted', {}), 'response.submitted', none)).toBeNull()
  const dead = { delivery_id: 'dlv_1', installation: 'crm', plugin: 'webhooks', reason: 'receiver_failed', code: null }
  expect(flatEvent(event('delivery.dead', dead), 'delivery.dead', none)).toMatchObject({
    id: 'evt_1',
    delivery_id: 'dlv_1',
    code: '',
    url: '/deliveries/dlv_1',
  })
  expect(flatEvent(event('alert.raised', { kind: 'installation_paused' }), 'alert.raised', none)).toMatchObject({
    kind: 'installation_paused',
    details: '{"kind":"installation_paused"}',
  })
})

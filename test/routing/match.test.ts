/** Which events an installation gets, and as what text a plugin sees them. */
import { describe, expect, test } from 'vitest'
import type { HubEvent } from '../../core/contract/index.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Form, LogEvent } from '../../core/model.ts'
import { eventJson } from '../../core/routing/event-json.ts'
import type { FormView } from '../../core/routing/event-json.ts'
import { compileWhen, handlerType } from '../../core/routing/match.ts'

const form: Form = {
  id: 'contact',
  workspace: 'default',
  version: 3,
  name: 'Contact "us"',
  managedBy: 'api',
  access: 'public',
  unknownFields: 'keep',
  redirectUrl: null,
  honeypotField: '_g',
  createdAt: '',
  updatedAt: '',
  fields: [
    { key: 'email', label: 'E-mail', type: 'email', required: true, pii: true, options: [] },
    {
      key: 'color',
      label: 'Colour',
      type: 'select',
      required: false,
      pii: false,
      options: [{ value: 'r', label: 'Red' }],
    },
  ],
}
const view: FormView = { form, piiKeys: ['email', 'phone'] }

const event = (more: Partial<LogEvent> = {}): LogEvent => ({
  seq: 7,
  id: 'evt_1',
  workspace: 'default',
  type: 'response.submitted',
  at: '2026-01-01T00:00:00.000Z',
  formId: 'contact',
  responseId: 'rsp_1',
  hops: 0,
  data: '{"email":"a@b.c","color":"r","phone":"1","n":1.50}',
  meta: '{"ip":"192.0.2.1"}',
  response: { status: 'completed', formVersion: 3, startedAt: null, submittedAt: '2026-01-01T00:00:00.000Z' },
  ...more,
})

const seen = (input: Partial<Parameters<typeof eventJson>[0]>): HubEvent =>
  JSON.parse(
    eventJson({ event: event(), view, parts: ['data', 'form', 'response', 'meta'], pii: true, ...input }),
  ) as HubEvent

describe('the text of an event', () => {
  test('carries what the manifest names and nothing else', () => {
    expect(seen({ parts: [] })).toEqual({
      id: 'evt_1',
      type: 'response.submitted',
      v: 1,
      at: '2026-01-01T00:00:00.000Z',
    })
    const whole = seen({})
    expect(whole.data).toEqual({ email: 'a@b.c', color: 'r', phone: '1', n: 1.5 })
    expect(whole.meta).toEqual({ ip: '192.0.2.1' })
    expect(whole.response).toEqual({
      id: 'rsp_1',
      status: 'completed',
      startedAt: null,
      submittedAt: '2026-01-01T00:00:00.000Z',
    })
    expect(whole.form).toMatchObject({ id: 'contact', name: 'Contact "us"', version: 3 })
    expect(whole.form?.fields[1]).toEqual({
      key: 'color',
      label: 'Colour',
      type: 'select',
      required: false,
      pii: false,
      options: [{ value: 'r', label: 'Red' }],
    })
  })

  test('is spliced, not parsed, when nothing has to be hidden', () => {
    // 1.50 would come out of a parse as 1.5.
    expect(eventJson({ event: event(), view, parts: ['data'], pii: true })).toContain('"n":1.50')
    expect(eventJson({ event: event(), view, parts: ['data'], pii: false })).not.toContain('1.50')
  })

  test('private fields leave only with a grant, also those a newer version no longer marks', () => {
    expect(seen({ pii: false }).data).toEqual({ color: 'r', n: 1.5 })
    expect(seen({ pii: ['phone'] }).data).toEqual({ color: 'r', phone: '1', n: 1.5 })
    expect(
      seen({ pii: false, event: event({ data: '{"\\u0065mail":"hidden in spelling","color":"r"}' }) }).data,
    ).toEqual({ color: 'r' })
  })

  test('without its form no answer leaves, unless all is granted', () => {
    expect(seen({ view: undefined, pii: ['email'] }).data).toEqual({})
    expect(seen({ view: undefined, pii: true }).data).toHaveProperty('email')
    expect(seen({ view: undefined }).form).toBeUndefined()
  })

  test("the hub's own events are not searched for answers", () => {
    const dead = event({ type: 'delivery.dead', data: '{"email":"not an answer"}', response: null })
    expect(seen({ event: dead, pii: false })).toMatchObject({ data: { email: 'not an answer' } })
    expect(seen({ event: dead }).response).toBeUndefined()
  })

  test('odd names stay inside their quotes', () => {
    const odd = event({ id: 'evt_"\\', type: 'x"y' })
    expect(seen({ event: odd, parts: [] })).toMatchObject({ id: 'evt_"\\', type: 'x"y' })
  })
})

describe('which events an installation gets', () => {
  const wants = (
    when: { forms?: string[]; events?: string[]; filter?: unknown },
    types: string[],
    of: LogEvent,
  ): boolean => {
    const compiled = compileWhen(
      { when: { forms: when.forms ?? null, events: when.events ?? null, filter: when.filter ?? null }, types },
      LIMITS,
    )
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
    return compiled.when.wants(of) && (compiled.when.matches === null || compiled.when.matches(of, view))
  }
  test('by plugin, form and type', () => {
    expect(wants({}, ['response.submitted'], event())).toBe(true)
    expect(wants({}, ['response.partial'], event())).toBe(false)
    expect(wants({}, ['*'], event({ type: 'track.page' }))).toBe(true)
    expect(wants({ forms: ['contact'] }, ['*'], event())).toBe(true)
    expect(wants({ forms: ['other'] }, ['*'], event())).toBe(false)
    expect(wants({ forms: ['contact'] }, ['*'], event({ formId: null }))).toBe(false)
    expect(wants({ events: ['form.changed'] }, ['*'], event())).toBe(false)
  })

  test('an erased event goes to nobody', () => {
    expect(wants({}, ['*'], event({ data: null }))).toBe(false)
  })

  test('by filter, over the same words a plugin sees, private fields included: the admin wrote it', () => {
    expect(
      wants(
        {
          filter: {
            'data.email': 'a@b.c',
            'form.name': 'Contact "us"',
            'response.status': 'completed',
            'meta.ip': { $regex: '^192' },
            'event.type': 'response.submitted',
          },
        },
        ['*'],
        event(),
      ),
    ).toBe(true)
    expect(wants({ filter: { 'data.n': { $gt: 2 } } }, ['*'], event())).toBe(false)
  })

  test('what keeps an event out is told: its type, its form, or the first condition that does not hold, as it is written', () => {
    const whyNot = (when: { forms?: string[]; events?: string[]; filter?: unknown }, of = event()): string | null => {
      const all = { forms: null, events: null, filter: null, ...when }
      const compiled = compileWhen({ when: all, types: ['*'] }, LIMITS)
      return compiled.ok ? compiled.when.whyNot(of, view) : 'does not compile'
    }
    expect(whyNot({ forms: ['contact'], events: ['response.submitted'], filter: { 'data.email': 'a@b.c' } })).toBeNull()
    expect(whyNot({ events: ['form.changed', 'track.page'] })).toBe(
      'when.event is form.changed, track.page, and the event is response.submitted',
    )
    expect(whyNot({ forms: ['other'] })).toBe('when.form is other, and the event is of contact')
    expect(whyNot({ forms: ['other'] }, event({ formId: null }))).toBe(
      'when.form is other, and the event is of no form',
    )
    expect(whyNot({ filter: { 'data.email': 'a@b.c', 'data.n': { $gt: 2, $lt: 9 }, 'form.id': 'other' } })).toBe(
      'when.filter {"data.n":{"$gt":2,"$lt":9}} does not hold',
    )
  })

  test('a filter that does not look at the answers does not parse them', () => {
    expect(wants({ filter: { 'form.id': 'contact' } }, ['*'], event({ data: 'not JSON at all' }))).toBe(true)
  })

  test('mistakes of the filter are told below /filter', () => {
    const compiled = compileWhen({ when: { forms: null, events: null, filter: { nope: 1 } }, types: ['*'] }, LIMITS)
    expect(compiled).toMatchObject({ ok: false, problems: [{ pointer: '/filter/nope' }] })
  })

  test('the handler of a type before the one for every type', () => {
    expect(handlerType({ 'a.b': 1, '*': 1 }, 'a.b')).toBe('a.b')
    expect(handlerType({ '*': 1 }, 'a.b')).toBe('*')
    expect(handlerType({ 'a.c': 1 }, 'a.b')).toBeUndefined()
    expect(handlerType({}, 'constructor')).toBeUndefined()
  })
})

test('all types that begin alike can be subscribed to at once', () => {
  const result = compileWhen({ when: { forms: null, events: null, filter: null }, types: ['track.*'] }, LIMITS)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  const types = ['track.click', 'track.page_view', 'tracker.click', 'response.submitted', 'track']
  expect(types.filter((type) => result.when.wants(event({ type })))).toEqual(['track.click', 'track.page_view'])
  const on = { '*': {}, 'track.*': {}, 'track.click': {} }
  expect(types.map((type) => handlerType(on, type))).toEqual(['track.click', 'track.*', '*', '*', '*'])
})

test('answers among the properties of a behaviour event are private like those of a response', () => {
  const data = { name: 'form_field', email: 'x', properties: { email: 'ada@example.com', color: 'r' } }
  const sent = event({ type: 'track.form_field', response: null, data: JSON.stringify(data) })
  const seen = (pii: boolean, known: FormView | undefined) =>
    (JSON.parse(eventJson({ event: sent, view: known, parts: ['data'], pii })) as HubEvent).data
  expect(seen(true, view)).toEqual(data)
  expect(seen(false, view)).toEqual({ ...data, properties: { color: 'r' } })
  expect(seen(false, undefined)).toEqual({ name: 'form_field', email: 'x' })
  // Nor does what the family copied out of them say it.
  const copied = { ...data, subject: 'ada@example.com', action: 'r', measure: 3 }
  const told = event({ type: 'track.search', response: null, data: JSON.stringify(copied) })
  const { data: seenOf } = JSON.parse(eventJson({ event: told, view, parts: ['data'], pii: false })) as HubEvent
  expect(seenOf).toEqual({ name: 'form_field', email: 'x', action: 'r', measure: 3, properties: { color: 'r' } })
})

test('a form says which of its fields are withheld, also where a later version dropped mark or field', () => {
  const text = (pii: boolean | readonly string[]) =>
    (JSON.parse(eventJson({ event: event(), view, parts: ['form'], pii })) as HubEvent).form?.hidden
  expect([text(false), text(['phone']), text(true)]).toEqual([['email', 'phone'], ['email'], undefined])
})

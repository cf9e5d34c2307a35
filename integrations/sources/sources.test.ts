/** Each source through the hub's own inlet: what becomes of its answers, and of the form. */
import { expect, test } from 'vitest'
import type { Json } from 'manifold/plugin'
import { conformance, testPlugin } from 'manifold/plugin/testing'
import type { TestPlugin } from 'manifold/plugin/testing'
import { formbricks, googleForms, jotform, tally, typeform } from './samples.ts'
import { byFormbricks, byJotform, byScript, byTally, byTypeform } from './senders.ts'
import type { Sent } from './senders.ts'

const SECRET = 'a secret of the sender, long enough'
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const NOW = new Date('2026-01-01T00:00:00Z')

type Options = Partial<Parameters<typeof testPlugin>[0]>
const open = (from: string, { config, ...rest }: Options = {}): Promise<TestPlugin> =>
  testPlugin({
    dir: import.meta.dirname,
    config: { from, ...config },
    secrets: { secret: from === 'formbricks' ? WHSEC : SECRET },
    now: NOW,
    ...rest,
  })
const ask = async (plugin: TestPlugin, sent: Sent | Promise<Sent>, route = 'POST /in') => {
  const { status = 200, json } = await plugin.request(route, await sent)
  return { status, ...(json as { id?: string; result?: string; error?: string; problems?: object[] }) }
}
/** The one response there is. */
const only = async (plugin: TestPlugin) => {
  const [response, ...more] = await plugin.responses()
  expect(more).toEqual([])
  return response
}

test('Typeform: every type of answer, hidden fields and variables, into a form of its own', async () => {
  await using plugin = await open('typeform')
  expect(await ask(plugin, byTypeform(typeform(), SECRET))).toMatchObject({ status: 200, result: 'stored' })
  expect(await only(plugin)).toMatchObject({
    formId: 'typeform-lT4Z3j',
    status: 'completed',
    startedAt: '2025-11-18T18:07:02.000Z',
    submittedAt: '2025-11-18T18:17:02.000Z',
    meta: { source: 'typeform', source_form: 'lT4Z3j', source_response: 'a3a12ec67a1365927098a606107fac15' },
    data: {
      more: 'It works fine.',
      'f_9a489f17-8765-494b-933e-3624c645bd0c': 'ada@example.com',
      city: 'London',
      likes: ['London', 'Sydney'],
      likes_other: 'the sea',
      nps: 9,
      again: false,
      when: '2032-01-01',
      phone: '+4930123456',
      cv: 'https://api.typeform.com/forms/lT4Z3j/responses/7f46165d/fields/x/files/cv.pdf',
      pay: 1.5,
      pay_payer: 'Jane Smith, card ending 1234',
      order: ['B', 'A'],
      user_id: 'abc123456',
      score: 9,
      winner: 'tea',
    },
  })
  const form = await plugin.form('typeform-lT4Z3j')
  expect(form).toMatchObject({ name: 'Webhooks example', access: 'key', version: 1 })
  const made = { form: 'typeform-lT4Z3j', fields: form?.fields.map(({ key }) => key).join(', ') }
  expect(plugin.logs()).toMatchObject([{ message: 'a form was made of what arrived', fields: made }])
  expect(form?.fields.find(({ key }) => key === 'city')).toMatchObject({
    label: 'Which city?',
    type: 'select',
    options: [
      { value: 'London', label: 'London' },
      { value: 'Paris', label: 'Paris' },
    ],
  })
  expect(form?.fields.filter(({ pii }) => pii).map(({ key }) => key)).toEqual([
    'f_9a489f17-8765-494b-933e-3624c645bd0c',
    'phone',
    'pay_payer',
  ])
})

test('Typeform: partial answers and the final ones are one response', async () => {
  await using plugin = await open('typeform')
  const partial = typeform({ event_type: 'form_response_partial' })
  const first = await ask(plugin, byTypeform(partial, SECRET))
  expect(first).toMatchObject({ status: 200, result: 'stored' })
  expect((await only(plugin))?.status).toBe('partial')
  const last = await ask(plugin, byTypeform(typeform(), SECRET))
  expect(last).toEqual({ status: 200, id: first.id, result: 'completed' })
  expect((await only(plugin))?.status).toBe('completed')
  expect(await ask(plugin, byTypeform({ event_type: 'something_new' }, SECRET))).toMatchObject({ result: 'ignored' })
})

test('Tally: ids of choices become their texts, and each box of a list is no question of its own', async () => {
  await using plugin = await open('tally')
  expect(await ask(plugin, byTally(tally(), SECRET))).toMatchObject({ status: 200, result: 'stored' })
  expect((await only(plugin))?.data).toEqual({
    question_mVGEg3: 'Ada',
    question_nPpjVn: 'ada@example.com',
    question_phone1: '+32 480 12 34 56',
    question_3EKz4n: 10,
    question_w4Q4Xn: ['Free'],
    question_3jZaa3: ['Red', 'Blue'],
    question_file01: { url: 'https://storage.tally.so/a.png', name: 'a.png', type: 'image/png', size: 12 },
    question_file01_2: { url: 'https://storage.tally.so/b.png', name: 'b.png', type: 'image/png', size: 13 },
    question_rate01: 4,
    question_hid001_source: 'newsletter',
    question_matrix: 'Speed: Good',
  })
  const form = await plugin.form('tally-VwbNEw')
  expect(form?.fields.filter(({ pii }) => pii).map(({ key }) => key)).toEqual(['question_nPpjVn', 'question_phone1'])
  expect(form?.fields.find(({ key }) => key === 'question_3jZaa3')?.options.map(({ value }) => value)).toEqual([
    'Red',
    'Blue',
    'Green',
  ])
})

test.each([
  [{ hour: '2', min: '30', ampm: 'PM' }, '2026-01-18 14:30'],
  [{ hour: '12', min: '05', ampm: 'AM' }, '2026-01-18 00:05'],
  [{ hour: '12', min: '05', ampm: 'PM' }, '2026-01-18 12:05'],
  [{ hour: '9', min: '5' }, '2026-01-18 09:05'],
  [{ timeInput: '02:30', ampm: 'PM' }, '2026-01-18 14:30'],
  [{ hour: '', min: '', ampm: 'AM' }, '2026-01-18'],
])('Jotform: a date with a time keeps it: %j', async (time, written) => {
  const inputs = {
    ...jotform(),
    rawRequest: JSON.stringify({ q5_when: { month: '1', day: '18', year: '2026', ...time } }),
  }
  const route = `POST /jotform/${encodeURIComponent(SECRET)}`
  await using plugin = await open('jotform')
  expect(await ask(plugin, byJotform(inputs), route)).toMatchObject({ status: 200 })
  expect((await only(plugin))?.data).toEqual({ when: written })
})

test('Jotform: a date with a time into fields that were made for a day and for a moment', async () => {
  const when = { month: '1', day: '18', year: '2026', hour: '2', min: '30', ampm: 'PM' }
  const inputs = { ...jotform(), rawRequest: JSON.stringify({ q5_day: when, q6_moment: when }) }
  const fields = [
    { key: 'day', type: 'date' as const },
    { key: 'moment', type: 'datetime' as const },
  ]
  const forms = { workshop: { name: 'Workshop', fields } }
  await using plugin = await open('jotform', { config: { form: 'workshop', forms: 'map' }, forms })
  const route = `POST /jotform/${encodeURIComponent(SECRET)}`
  expect(await ask(plugin, byJotform(inputs), route)).toMatchObject({ status: 200 })
  expect((await only(plugin))?.data).toEqual({ day: '2026-01-18', moment: '2026-01-18T14:30:00.000Z' })
})

test('Tally: a multiple choice that was made of one answer, or of none, takes two', async () => {
  const choice = (responseId: string, key: string, value: readonly string[] | null): object => {
    const sent = tally({ responseId }) as { data: { fields: object[] } }
    const options = ['a', 'b'].map((id) => ({ id, text: id.toUpperCase() }))
    sent.data.fields = [{ key, label: 'Which?', type: 'MULTIPLE_CHOICE', value, options }]
    return sent
  }
  await using plugin = await open('tally')
  for (const [n, key, value] of [
    [1, 'one', ['a']],
    [2, 'one', ['a', 'b']],
    [3, 'none', null],
    [4, 'none', ['b', 'a']],
  ] as const)
    expect(await ask(plugin, byTally(choice(`r${n}`, key, value), SECRET))).toMatchObject({ status: 200 })
  expect((await plugin.responses()).map(({ data }) => data)).toEqual([
    { one: ['A'] },
    { one: ['A', 'B'] },
    {},
    { none: ['B', 'A'] },
  ])
})

test('Tally: into a form that was made for one answer, one answer goes', async () => {
  const options = [{ value: 'free', label: 'Free' }]
  const forms = { contact: { name: 'Contact', fields: [{ key: 'plan', type: 'select' as const, options }] } }
  await using plugin = await open('tally', {
    config: { form: 'contact', forms: 'map', fields: { plan: 'Plan' } },
    forms,
  })
  expect(await ask(plugin, byTally(tally(), SECRET))).toMatchObject({ status: 200 })
  const unanswered = tally({ responseId: 'second' }) as { data: { fields: { label: string; value: unknown }[] } }
  for (const field of unanswered.data.fields) if (field.label === 'Plan') field.value = []
  expect(await ask(plugin, byTally(unanswered, SECRET))).toMatchObject({ status: 200 })
  expect((await plugin.responses()).map(({ data }) => data)).toEqual([{ plan: 'free' }, {}])
})

test('Jotform: a form post, multipart or urlencoded, with the secret in the URL', async () => {
  await using plugin = await open('jotform')
  const route = `POST /jotform/${encodeURIComponent(SECRET)}`
  expect(await ask(plugin, byJotform(jotform()), route)).toMatchObject({ status: 200, result: 'stored' })
  expect(await only(plugin)).toMatchObject({
    formId: 'jotform-253117572694059',
    submittedAt: '2025-11-09T00:52:06.949Z',
    data: {
      name: 'Ada Lovelace',
      email: 'ada@example.com',
      workshopDate: '2026-01-18',
      topics: ['Looms', 'Engines'],
      phoneNumber: '(012) 345-6789',
      comments: 'Grüße aus Köln ✓',
      input9: 'https://www.jotform.com/uploads/someone/1/2/cv.pdf',
    },
  })
  const again = new URLSearchParams(jotform()).toString()
  const urlencoded = { body: again, headers: { 'content-type': 'application/x-www-form-urlencoded' } }
  expect(await ask(plugin, urlencoded, route)).toMatchObject({ status: 200, result: 'duplicate' })
  expect(await ask(plugin, byJotform(jotform()), 'POST /jotform/another-secret-altogether')).toMatchObject({
    status: 401,
  })
  await only(plugin)
  expect(JSON.stringify(plugin.logs())).not.toContain(SECRET)
})

test('Formbricks: created, updated and finished are one response under its id', async () => {
  await using plugin = await open('formbricks')
  const send = (event: Parameters<typeof formbricks>[0], data: object) =>
    ask(
      plugin,
      byFormbricks(formbricks(event, data as Record<string, unknown>), WHSEC, { at: NOW, id: `msg_${event}` }),
    )
  const created = await send('responseCreated', { satisfied: 'Very' })
  expect(created).toMatchObject({ status: 200, result: 'stored' })
  const all = { satisfied: 'Very', email_q: 'ada@example.com', score: 9, parts: ['a', 'b'] }
  expect(await send('responseUpdated', all)).toMatchObject({ id: created.id, result: 'stored' })
  expect(await send('responseFinished', all)).toEqual({ status: 200, id: created.id, result: 'completed' })
  // Late news of an older state changes nothing.
  expect(await send('responseUpdated', { satisfied: 'Very' })).toEqual({
    status: 200,
    id: created.id,
    result: 'duplicate',
  })
  expect(await only(plugin)).toMatchObject({ status: 'completed', data: { ...all, parts: 'a, b' } })
  const form = await plugin.form('formbricks-cm8wz6n3a0002l508c4r9t2yb')
  expect(form).toMatchObject({ name: 'Feature requests' })
  expect(form?.fields.find(({ key }) => key === 'email_q')).toMatchObject({ type: 'email', pii: true })
})

test('Google Forms: what the script sends', async () => {
  await using plugin = await open('google-forms')
  expect(await ask(plugin, byScript(googleForms(), SECRET, NOW))).toMatchObject({ status: 200, result: 'stored' })
  expect(await only(plugin)).toMatchObject({
    submittedAt: '2025-05-01T10:00:00.000Z',
    data: {
      q_11: 'Ada',
      q_12: 'Yes',
      q_13: ['Cake', 'Wine'],
      q_14: 4,
      q_15: '1990-12-10',
      respondent_email: 'ada@example.com',
    },
  })
  const old = byScript(googleForms('another'), SECRET, new Date(NOW.getTime() - 301_000))
  expect(await ask(plugin, old)).toMatchObject({ status: 401, error: 'The signature is old.' })
})

test('Google Forms: what was written under "other" stands beside what was ticked', async () => {
  const sent = (responseId: string, response: Json): Promise<Sent> => {
    const choices = ['Red', 'Blue']
    const items = [{ id: 7, title: 'Colours', type: 'CHECKBOX', response, choices }]
    return byScript({ ...googleForms(responseId), respondentEmail: null, items }, SECRET, NOW)
  }
  const answers = [['Red', 'my own'], ['my own'], ['Blue', 'Red']]
  const stored = async (options: Options) => {
    await using plugin = await open('google-forms', options)
    for (const [n, response] of answers.entries())
      expect(await ask(plugin, sent(`r${n}`, response))).toMatchObject({ status: 200 })
    return (await plugin.responses()).map(({ data }) => data)
  }
  expect(await stored({})).toEqual([
    { q_7: ['Red'], q_7_other: 'my own' },
    { q_7: [], q_7_other: 'my own' },
    { q_7: ['Blue', 'Red'] },
  ])
  // A text takes all of it.
  const forms = { party: { name: 'Party', fields: [{ key: 'colours', type: 'text' as const }] } }
  expect(await stored({ config: { form: 'party', forms: 'map', fields: { colours: 'Colours' } }, forms })).toEqual([
    { colours: 'Red, my own' },
    { colours: 'my own' },
    { colours: 'Blue, Red' },
  ])
})

test('JSON of any shape, by pointers', async () => {
  const json = { id: '/event/id', answers: '/data', completed: '/done', submittedAt: '/event/at', signature: 'bearer' }
  const config = { form: 'lead', json, fields: { email: '/who/e-mail', first: '/list/0/a~1b' } }
  await using plugin = await open('json', { config })
  const body = JSON.stringify({
    event: { id: 77, at: '2025-12-31T23:00:00+01:00' },
    done: false,
    who: { 'e-mail': 'ada@example.com' },
    list: [{ 'a/b': 'x' }],
    data: { plan: 'pro', seats: 3, 'odd name!': true },
  })
  const headers = { authorization: `bearer ${SECRET}` }
  const first = await ask(plugin, { body, headers })
  expect(first).toMatchObject({ status: 200, result: 'stored' })
  const stored = await only(plugin)
  expect(stored).toMatchObject({ formId: 'lead', status: 'partial' })
  expect(Object.entries(stored?.data ?? {}).map(([, value]) => value)).toEqual(['ada@example.com', 'x', 'pro', 3, true])
  expect(await ask(plugin, { body: body.replace('"done":false,', ''), headers })).toMatchObject({
    id: first.id,
    result: 'completed',
  })
  expect((await only(plugin))?.submittedAt).toBe('2025-12-31T22:00:00.000Z')
})

const CONTACT = {
  name: 'Contact',
  unknown_fields: 'refuse' as const,
  fields: [
    { key: 'mail', type: 'email' as const, required: true },
    { key: 'score', type: 'number' as const, max: 5 },
    { key: 'town', type: 'select' as const, options: [{ value: 'ldn', label: 'London' }] },
  ],
}
const FIELDS = { mail: '9a489f17-8765-494b-933e-3624c645bd0c', town: 'Which city?' }

test('map: into the fields that are there, and a form of the file is left alone', async () => {
  const forms = { contact: { ...CONTACT, fields: CONTACT.fields.filter(({ key }) => key !== 'score') } }
  await using plugin = await open('typeform', { config: { form: 'contact', forms: 'map', fields: FIELDS }, forms })
  expect(await ask(plugin, byTypeform(typeform(), SECRET))).toMatchObject({ status: 200 })
  expect((await only(plugin))?.data).toEqual({ mail: 'ada@example.com', town: 'ldn' })
  await using creating = await open('typeform', { config: { form: 'contact', fields: FIELDS }, forms })
  expect(await ask(creating, byTypeform(typeform(), SECRET))).toMatchObject({ status: 422 })
  expect(creating.logs().map(({ message }) => message)).toContain('the form could not be extended')
  expect((await creating.form('contact'))?.version).toBe(1)
})

test('what the form does not take is in quarantine once, and is taken when it comes again after the form was mended', async () => {
  const config = { form: 'contact', forms: 'map', fields: FIELDS }
  await using plugin = await open('typeform', { config, forms: { contact: CONTACT } })
  const sent = await byTypeform(typeform(), SECRET)
  const refused = await ask(plugin, sent)
  expect(refused).toMatchObject({
    status: 422,
    error: '/data/score must be at most 5.',
    problems: [{ pointer: '/data/score', detail: 'must be at most 5' }],
  })
  expect(await plugin.responses()).toEqual([])
  // The sender's retries are the same one.
  expect(await ask(plugin, sent)).toMatchObject({ status: 422, id: refused.id })
  expect(await plugin.quarantine()).toMatchObject([
    {
      id: refused.id,
      code: 'form-mismatch',
      verdict: 'rejected',
      data: { mail: 'ada@example.com', score: 9, town: 'ldn' },
    },
  ])
  await plugin.saveForm('contact', {
    ...CONTACT,
    fields: CONTACT.fields.map(({ max: _max, ...field }: { key: string; max?: number }) => field),
  })
  expect(await ask(plugin, sent)).toMatchObject({ status: 200, id: refused.id })
  expect(await plugin.quarantine()).toEqual([])
  expect(await only(plugin)).toMatchObject({ id: refused.id, data: { score: 9 } })
  expect(await ask(plugin, sent)).toMatchObject({ status: 200, id: refused.id, result: 'duplicate' })
})

test('strict: an answer to no field refuses the whole, whatever the form keeps', async () => {
  const forms = { contact: { name: 'Contact', fields: [{ key: 'more' }] } }
  await using plugin = await open('typeform', { config: { form: 'contact', forms: 'strict' }, forms })
  const answer = await ask(plugin, byTypeform(typeform(), SECRET))
  expect(answer.status).toBe(422)
  expect(answer.problems).toContainEqual({ pointer: '/data/city', detail: 'is not a field of this form' })
  await using missing = await open('typeform', { config: { form: 'nowhere', forms: 'strict' } })
  expect(await ask(missing, byTypeform(typeform(), SECRET))).toMatchObject({ status: 422 })
  expect(await missing.quarantine()).toMatchObject([{ formId: 'nowhere', code: 'form-mismatch' }])
})

test('create: a form grows with what arrives, and keeps what is there', async () => {
  await using plugin = await open('tally')
  await ask(plugin, byTally(tally(), SECRET))
  const more = tally({ responseId: 'second' }) as { data: { fields: object[] } }
  more.data.fields = [
    {
      key: 'question_w4Q4Xn',
      label: 'A new name of it',
      type: 'MULTIPLE_CHOICE',
      value: ['n'],
      options: [{ id: 'n', text: 'Enterprise' }],
    },
    { key: 'question_new', label: 'New', type: 'INPUT_EMAIL', value: 'bea@example.com' },
  ]
  expect(await ask(plugin, byTally(more, SECRET))).toMatchObject({ status: 200, result: 'stored' })
  const form = await plugin.form('tally-VwbNEw')
  expect(form?.version).toBe(2)
  expect(form?.fields.find(({ key }) => key === 'question_w4Q4Xn')).toMatchObject({
    label: 'Plan',
    options: [{ value: 'Free' }, { value: 'Pro' }, { value: 'Enterprise' }],
  })
  expect(form?.fields.at(-1)).toMatchObject({ key: 'question_new', type: 'email', pii: true })
  await ask(plugin, byTally(tally({ responseId: 'third' }), SECRET))
  expect((await plugin.form('tally-VwbNEw'))?.version).toBe(2)
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})

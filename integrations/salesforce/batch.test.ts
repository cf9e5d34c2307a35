/** Batches in the real sandbox: what one call costs, what a bad record does to its neighbours, and what a limit stops. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TestPlugin } from 'manifold/plugin/testing'
import { collectionsOf, FIELDS, openPlugin, person } from './fake/plugin.ts'
import { startFake, type Fake, type Fault } from './fake/server.ts'

let fake: Fake
beforeEach(async () => {
  fake = await startFake()
})
afterEach(() => fake[Symbol.asyncDispose]())

const open = (config: object = {}): Promise<TestPlugin> => openPlugin(fake, config)
const collections = () => collectionsOf(fake)

describe('a batch', () => {
  const rows = (count: number) => Array.from({ length: count }, (_, n) => ({ event: person(n) }))
  const good = (outcomes: readonly { readonly outcome: string }[]) =>
    outcomes.filter(({ outcome }) => outcome === 'delivered').length

  test('200 records are one call, and each row that fails fails alone', async () => {
    await using plugin = await open()
    const items = rows(200)
    items[7] = { event: person(7, { email: 'no address' }) }
    items[99] = { event: person(99, { name: 'x'.repeat(81) }) }
    const outcomes = await plugin.run('upsert', items)
    expect([good(outcomes), collections().length]).toEqual([198, 1])
    expect(outcomes[7]).toMatchObject({
      outcome: 'dead',
      code: 'INVALID_EMAIL_ADDRESS',
      message: expect.stringContaining('invalid email address: no address (Email)'),
    })
    expect(outcomes[99]).toMatchObject({ outcome: 'dead', code: 'STRING_TOO_LONG' })
  })

  test('one record that Salesforce cannot read does not take its neighbours along', async () => {
    await using plugin = await open({ fields: { ...FIELDS, NumberOfEmployees: '{{data.size}}' } })
    const items = rows(20)
    items[5] = { event: person(5, { size: 'many' }) }
    const outcomes = await plugin.run('upsert', items)
    expect([good(outcomes), outcomes[5]?.outcome, outcomes[5]?.code]).toEqual([19, 'dead', 'JSON_PARSER_ERROR'])
    expect(fake.org.records('Lead').length).toBe(19)
  })

  test.each([0, 57, 128, 199])(
    'one record in 200 that Salesforce cannot read, at %i: found within one run',
    async (at) => {
      await using plugin = await open({ fields: { ...FIELDS, NumberOfEmployees: '{{data.size}}' } })
      const items = rows(200)
      items[at] = { event: person(at, { size: 'many' }) }
      const outcomes = await plugin.run('upsert', items)
      expect([good(outcomes), outcomes[at]?.outcome, outcomes[at]?.code]).toEqual([199, 'dead', 'JSON_PARSER_ERROR'])
      expect(outcomes[at]?.message).toContain('many')
      expect(collections().length).toBeLessThanOrEqual(11)
    },
  )

  test('a field that does not exist concerns those that have it, and is paid for with one call', async () => {
    await using plugin = await open({ fields: { ...FIELDS, Nope__c: '{{data.odd}}' } })
    const items = rows(200)
    const odd = [3, 50, 51, 120, 199]
    for (const at of odd) items[at] = { event: person(at, { odd: 'x' }) }
    const outcomes = await plugin.run('upsert', items)
    expect([good(outcomes), collections().length]).toEqual([195, 2])
    for (const at of odd) expect(outcomes[at]).toMatchObject({ outcome: 'dead', code: 'INVALID_FIELD' })
  })

  test('a key that does not exist stops the installation, however the records differ', async () => {
    await using plugin = await open({
      externalId: { field: 'Key__c', value: '{{event.id}}' },
      fields: { ...FIELDS, Description: '{{data.odd}}' },
    })
    const items = [...rows(20), { event: person(20, { odd: 'x' }) }]
    const outcomes = await plugin.run('upsert', items)
    expect([outcomes.length, collections().length]).toEqual([21, 1])
    const words = expect.stringContaining(
      `No such column 'Key__c' on sobject of type Lead "Key__c" is externalId.field`,
    )
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ outcome: 'dead', code: 'config_invalid', disable: true, message: words })
  })

  test('unreadable values that Salesforce names are paid for with one call each', async () => {
    await using plugin = await open({ fields: { ...FIELDS, NumberOfEmployees: '{{data.size}}' } })
    const items = rows(200)
    for (let n = 0; n < 30; n++) items[n * 6] = { event: person(n * 6, { size: `about ${n % 12} or request` }) }
    const outcomes = await plugin.run('upsert', items)
    expect([good(outcomes), collections().length]).toEqual([170, 13])
    expect(outcomes.filter(({ code }) => code === 'JSON_PARSER_ERROR').length).toBe(30)
  })

  test('a field that does not exist is told at once, for all', async () => {
    await using plugin = await open({ fields: { ...FIELDS, Nope__c: 'x' } })
    const outcomes = await plugin.run('upsert', rows(50))
    expect([outcomes.filter(({ code }) => code === 'INVALID_FIELD').length, collections().length]).toEqual([50, 1])
    expect(outcomes[0]).toMatchObject({ outcome: 'dead', message: expect.stringContaining("No such column 'Nope__c'") })
  })

  test('what is lost on the way is repeated without a second record', async () => {
    await using plugin = await open()
    const faults: (Fault | null)[] = ['after-reset', 'after-503', 'html-500', 'garbage', null]
    fake.weather = () => faults.shift() ?? null
    await plugin.emit(person(1), person(2))
    await plugin.advance('5s')
    const deliveries = await plugin.advance('10m')
    expect(deliveries.map(({ state, attempts }) => [state, attempts])).toEqual([
      ['delivered', 5],
      ['delivered', 5],
    ])
    expect([fake.org.records('Lead').length, faults]).toEqual([2, []])
  })

  test('batchSize cuts it; the rest of a long one is left to the next run', async () => {
    await using plugin = await open({ batchSize: 10 })
    const outcomes = await plugin.run('upsert', rows(180))
    expect([good(outcomes), collections().length]).toEqual([160, 16])
    expect(outcomes.at(-1)).toMatchObject({ outcome: 'retry', code: 'left_over' })
  })
})

describe('limits of the org', () => {
  test('the calls of a day are used up: it asks once an hour, uses up nothing of the schedule, and goes on by itself', async () => {
    await using plugin = await open()
    fake.weather = () => 'limit'
    await plugin.emit(person(1), person(2))
    await plugin.advance('5s')
    const [waiting] = await plugin.deliveries()
    expect([waiting?.state, waiting?.errorCode]).toEqual(['retrying', 'REQUEST_LIMIT_EXCEEDED'])
    expect(waiting?.error).toMatch(/TotalRequests Limit exceeded.*\d+ of the \d+ API calls .*24 hours/)
    await plugin.advance('50m')
    expect(collections().length).toBe(1)
    // Longer than the whole schedule.
    for (let hour = 0; hour < 12; hour += 1) await plugin.advance('65m')
    expect(plugin.state()).toBe('ready')
    expect((await plugin.deliveries()).map(({ state }) => state)).toEqual(['retrying', 'retrying'])
    fake.weather = () => null
    await plugin.advance('65m')
    expect((await plugin.deliveries()).map(({ state }) => state)).toEqual(['delivered', 'delivered'])
    expect(fake.org.records('Lead').length).toBe(2)
  })

  test('the calls of a day are used up: other runs ask no more', async () => {
    await using plugin = await open()
    fake.weather = () => 'limit'
    await plugin.run('upsert', [{ event: person(1) }])
    fake.weather = () => null
    const [outcome] = await plugin.run('upsert', [{ event: person(2) }])
    expect(outcome).toMatchObject({ outcome: 'retry', code: 'REQUEST_LIMIT_EXCEEDED' })
    expect(outcome?.message).toContain('TotalRequests Limit exceeded')
    expect(collections().length).toBe(1)
  })

  test('what one call is refused for, the others of the run do not ask again', async () => {
    await using plugin = await open({ batchSize: 1 })
    fake.weather = () => 'limit'
    const outcomes = await plugin.run(
      'upsert',
      [1, 2, 3].map((n) => ({ event: person(n) })),
    )
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['retry', 'retry', 'retry'])
    expect(collections().length).toBe(1)
  })

  test('too many at once is over in seconds', async () => {
    await using plugin = await open()
    const faults: (Fault | null)[] = ['concurrent', 'concurrent', null]
    fake.weather = () => faults.shift() ?? null
    await plugin.emit(person(1))
    await plugin.advance('5s')
    const [delivery] = await plugin.advance('40s')
    expect([plugin.state(), delivery?.state, delivery?.attempts]).toEqual(['ready', 'delivered', 3])
  })
})

test('an API version that is retired stops the installation at the first answer', async () => {
  await using plugin = await open({ apiVersion: '29.0' })
  await plugin.emit(person(1))
  const [delivery] = await plugin.advance('5s')
  expect(delivery).toMatchObject({ state: 'dead', errorCode: 'config_invalid' })
  await plugin.emit(person(2))
  await plugin.advance('1d')
  expect([plugin.state(), collections().length]).toEqual(['disabled', 1])
  expect(plugin.reason()).toContain('UNSUPPORTED_API_VERSION')
})

test.each([
  ['404', { apiVersion: '29.0' }, 'UNSUPPORTED_API_VERSION'],
  ['400 for an object that is none', { object: 'Led' }, 'INVALID_TYPE'],
  ['400 for a key that is none', { externalId: { field: 'Key__c', value: '{{event.id}}' } }, 'INVALID_FIELD'],
])('%s is of the rows in its call: later calls were not sent, and go out once it is mended', async (_, wrong, word) => {
  await using plugin = await open({ batchSize: 10, ...wrong })
  const outcomes = await plugin.run(
    'upsert',
    Array.from({ length: 30 }, (_, n) => ({ event: person(n) })),
  )
  expect(collections().length).toBe(1)
  for (const dead of outcomes.slice(0, 10))
    expect(dead).toMatchObject({ outcome: 'dead', code: 'config_invalid', disable: true })
  for (const later of outcomes.slice(10))
    expect(later).toMatchObject({
      outcome: 'retry',
      code: 'left_over',
      message: expect.stringContaining(word),
    })
})

test('80 % of the calls of a day are told once, and counted', async () => {
  await using plugin = await open()
  fake.callsUsed = 79_998
  for (const n of [1, 2, 3]) await plugin.run('upsert', [{ event: person(n) }])
  const warnings = plugin.logs().filter(({ level }) => level === 'warn')
  expect(warnings.map(({ message }) => message)).toEqual([
    'Salesforce: 80000 of 100000 API calls of these 24 hours are used up.',
  ])
  expect(plugin.metrics()).toEqual({ salesforce_api_usage_high: 2 })
})

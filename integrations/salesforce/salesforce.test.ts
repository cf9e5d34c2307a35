/** The connector in the real sandbox, with the double of the vendor behind the scripted outside: records, batches, logins. */
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { conformance, testPlugin } from 'manifold/plugin/testing'
import type { TestPlugin, TestPluginOptions } from 'manifold/plugin/testing'
import { startFake, type Fake, type Fault } from './fake/server.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const FIELDS = { LastName: '{{data.name}}', Company: '{{data.company}}', Email: '{{data.email}}' }

const ANSWER_TIMEOUT_MS = 10_000

let fake: Fake
beforeEach(async () => {
  fake = await startFake({ publicKey })
})
afterEach(() => fake[Symbol.asyncDispose]())

const secretAuth = () => ({
  flow: 'client_credentials',
  clientId: fake.app.clientId,
  clientSecret: fake.app.clientSecret,
})

/** The plugin, with everything that it sends carried to the double over a real socket. */
async function open(config: object = {}, more: Partial<TestPluginOptions> = {}): Promise<TestPlugin> {
  const plugin = await testPlugin({
    dir: import.meta.dirname,
    config: { instanceUrl: fake.url, auth: secretAuth(), fields: FIELDS, ...config },
    retryMs: [1_000, 5_000, 30_000, 300_000, 1_800_000],
    now: new Date(),
    ...more,
  })
  plugin.http.on(`* ${fake.url}/*`, async ({ method, url, headers, body }) => {
    const { 'accept-encoding': _, ...sent } = headers
    try {
      const answer = await fetch(url, {
        method,
        headers: sent,
        ...(method === 'GET' ? {} : { body }),
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      })
      return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() }
    } catch (error) {
      return { error: (error as Error).name === 'TimeoutError' ? 'http_timeout' : 'http_reset' }
    }
  })
  return plugin
}

const person = (n: number, more: object = {}) => ({
  type: 'response.submitted',
  data: { name: `Name ${n}`, company: 'Acme', email: `n${n}@example.com`, ...more },
})
const collections = () => fake.requests.filter(({ path }) => path.includes('/composite/'))

test('three responses are one call, and a record each under its event’s id', async () => {
  await using plugin = await open()
  const { eventIds } = await plugin.emit(person(1), person(2), person(3))
  await plugin.advance('5s')
  expect((await plugin.deliveries()).map(({ state }) => state)).toEqual(['delivered', 'delivered', 'delivered'])
  expect(collections().map(({ path }) => path)).toEqual([
    '/services/data/v67.0/composite/sobjects/Lead/Manifold_Event_Id__c',
  ])
  expect(collections()[0]?.headers['sforce-auto-assign']).toBe('false')
  expect(collections()[0]?.headers['sforce-duplicate-rule-header']).toBeUndefined()
  const leads = fake.org.records('Lead')
  expect(leads.map((lead) => [lead['Manifold_Event_Id__c'], lead['LastName']])).toEqual(
    eventIds.map((id, n) => [id, `Name ${n + 1}`]),
  )
})

describe('the record', () => {
  const all = {
    LastName: 'Lead of {{form.name}}: {{data.name}}',
    Company: { value: '{{data.company}}', maxLength: 5 },
    Description: '{{#data.company}}works for {{.}}{{/data.company}} & <b> {{data.list}}',
    NumberOfEmployees: { value: '{{data.size}}', type: 'number' },
    IsUnreadByOwner: { value: '{{data.news}}', type: 'boolean' },
    Met_On__c: { value: '{{data.met}}', type: 'date' },
    Asked_At__c: { value: '{{data.asked}}', type: 'datetime' },
    Rating: { value: '{{data.rating}}', type: 'picklist' },
    Topics__c: { value: '{{data.list}}', type: 'multipicklist' },
    Email: { value: '{{data.mail}}', clear: true },
  }
  const answers = {
    name: 'Ünïcode "x"',
    company: 'Acme & Sons',
    size: '12',
    news: 'yes',
    met: '2026-02-28',
    asked: '2026-03-01T12:00:00+02:00',
    rating: 'Hot',
    list: ['Price', 'Support'],
  }

  test('is rendered and converted; what has no answer is left alone, or emptied', async () => {
    await using plugin = await open({ fields: all }, { forms: { f: { name: 'F', fields: [{ key: 'name' }] } } })
    await plugin.run('upsert', [{ event: { ...person(1), data: answers } }])
    const [lead] = fake.org.records('Lead')
    expect(lead).toMatchObject({
      LastName: 'Lead of Test: Ünïcode "x"',
      Company: 'Acme ',
      Description: 'works for Acme & Sons & <b> Price, Support',
      NumberOfEmployees: 12,
      IsUnreadByOwner: true,
      Met_On__c: '2026-02-28',
      Asked_At__c: '2026-03-01T10:00:00.000Z',
      Rating: 'Hot',
      Topics__c: 'Price;Support',
      Email: null,
    })
    await plugin.run('upsert', [{ event: { ...person(2), data: { name: 'x', company: 'y' } } }])
    expect(Object.keys(fake.org.records('Lead')[1] ?? {}).toSorted()).toEqual(
      ['Company', 'Description', 'Email', 'Id', 'LastName', 'Manifold_Event_Id__c'].toSorted(),
    )
  })

  test.each([
    ['size', 'many', 'NumberOfEmployees: "many" is not a number.'],
    ['news', 'perhaps', 'IsUnreadByOwner: "perhaps" is not yes or no.'],
    ['met', '01/02/2026', 'Met_On__c: "01/02/2026" is not a date such as 2026-03-01.'],
    ['met', '2026-02-30', 'Met_On__c: "2026-02-30" is not a day of the calendar.'],
    ['asked', 'noon', 'Asked_At__c: "noon" is not a time such as 2026-03-01T12:00:00Z.'],
  ])('an answer that does not fit is a dead letter of its own: %s %s', async (key, value, message) => {
    await using plugin = await open({ fields: all })
    const good = { event: { ...person(1), data: answers } }
    const bad = { event: { ...person(2), data: { ...answers, [key]: value } } }
    expect(await plugin.run('upsert', [bad, good])).toMatchObject([
      { outcome: 'dead', code: 'field_value', message },
      { outcome: 'delivered' },
    ])
    expect(collections().length).toBe(1)
  })

  test('any object, any key; the last answer under a key wins, in the order of the batch', async () => {
    await using plugin = await open({
      object: 'Contact',
      externalId: { field: 'Email', value: '{{data.email}}' },
      fields: { LastName: '{{data.name}}' },
      apiVersion: '64.0',
    })
    const named = (name: string, email: string) => ({ event: person(0, { name, email }) })
    const outcomes = await plugin.run('upsert', [
      named('first', 'ada@example.com'),
      named('second', 'ADA@example.com'),
      named('other', 'bob@example.com'),
      named('none', ''),
    ])
    expect(outcomes.map(({ outcome, code }) => [outcome, code])).toEqual([
      ['delivered', null],
      ['delivered', null],
      ['delivered', null],
      ['dead', 'field_value'],
    ])
    expect(fake.org.records('Contact').map(({ LastName }) => LastName)).toEqual(['second', 'other'])
    expect(collections().map(({ path }) => path)).toEqual(
      Array.from({ length: 2 }, () => '/services/data/v64.0/composite/sobjects/Contact/Email'),
    )
  })
})

describe('signing in', () => {
  test.each([
    ['jwt', () => ({ flow: 'jwt', clientId: fake.app.clientId, username: fake.app.username, privateKey })],
    ['client_credentials', secretAuth],
    [
      'refresh_token',
      () => ({ flow: 'refresh_token', clientId: fake.app.clientId, refreshToken: fake.app.refreshToken }),
    ],
  ] as const)('%s: one login for all runs; secrets and token are seen nowhere', async (_flow, auth) => {
    await using plugin = await open({ auth: auth() })
    for (const n of [1, 2, 3]) await plugin.run('upsert', [{ event: person(n) }])
    expect([fake.tokens.length, fake.org.records('Lead').length]).toEqual([1, 3])
    fake.weather = () => 'not-for-rest'
    await plugin.run('upsert', [{ event: person(4) }])
    const told = JSON.stringify([plugin.exchanges(), plugin.logs(), plugin.runs, await plugin.deliveries()])
    const key = privateKey.split('\n')[1] ?? '-'
    for (const secret of [...fake.tokens, fake.app.clientSecret, fake.app.refreshToken, key])
      expect(told).not.toContain(secret)
    expect(told).toContain('Bearer [secret]')
  })

  test('a session that ended is replaced once and the call repeated; that is no attempt', async () => {
    await using plugin = await open()
    await plugin.run('upsert', [{ event: person(1) }])
    fake.expireSessions()
    await plugin.emit(person(2))
    const [delivery] = await plugin.advance('5s')
    expect(delivery).toMatchObject({ state: 'delivered', attempts: 1 })
    expect([fake.tokens.length, collections().length]).toEqual([2, 3])
  })

  test.each([
    ['another refusal right after it', 'expired', 'Session expired or invalid', 2],
    ['a policy of the org, which no token changes', 'not-for-rest', 'not valid for use with the REST API', 1],
  ] as const)('%s: unauthorized, and everything waits', async (_name, fault, words, calls) => {
    await using plugin = await open()
    fake.weather = () => fault
    await plugin.emit(person(1))
    const [delivery] = await plugin.advance('5s')
    expect(delivery?.state).not.toBe('dead')
    expect([plugin.state(), collections().length]).toEqual(['disabled', calls])
    const [outcome] = await plugin.run('upsert', [{ event: person(2) }])
    expect(outcome).toMatchObject({ outcome: 'unauthorized', message: expect.stringContaining(words) })
  })

  test('a login that is refused: unauthorized with the vendor’s words', async () => {
    await using plugin = await open({ auth: { ...secretAuth(), clientSecret: 'not-the-secret-0123456789' } })
    const [outcome] = await plugin.run('upsert', [{ event: person(1) }])
    expect(outcome).toMatchObject({
      outcome: 'unauthorized',
      message: expect.stringContaining('invalid_client: invalid client credentials'),
    })
    expect(collections()).toEqual([])
  })

  test('a login for another org is not used', async () => {
    await using plugin = await open({ instanceUrl: fake.url.replace('127.0.0.1', 'localhost') })
    plugin.http.on('POST http://localhost*', { json: { access_token: 'x'.repeat(20), instance_url: fake.url } })
    const [outcome] = await plugin.run('upsert', [{ event: person(1) }])
    expect(outcome).toMatchObject({
      outcome: 'unauthorized',
      message: expect.stringContaining(`belongs to ${fake.url}`),
    })
  })
})

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

test('assignment and duplicate rules are asked for by header', async () => {
  await using plugin = await open({ autoAssign: '01Q000000000001', duplicateRules: 'allow' })
  await plugin.run('upsert', [{ event: person(1) }])
  expect(collections()[0]?.headers).toMatchObject({
    'sforce-auto-assign': '01Q000000000001',
    'sforce-duplicate-rule-header': 'allowSave=true',
  })
})

test('check: asked through the hub, without anything sent that writes', async () => {
  await using plugin = await open({ fields: { ...FIELDS, Nope__c: 'x' } })
  expect(await plugin.check()).toMatchObject([
    { level: 'info', at: '/fields/LastName' },
    { level: 'info', at: '/fields/Company' },
    { level: 'info', at: '/fields/Email' },
    { level: 'error', at: '/fields/Nope__c', message: 'Lead has no field "Nope__c".' },
  ])
  expect(plugin.http.requests.map(({ method }) => method)).toEqual(['POST', 'GET', 'GET'])
  expect(JSON.stringify(plugin.exchanges())).not.toContain(fake.tokens[0])
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})

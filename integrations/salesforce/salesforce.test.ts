/** The connector in the real sandbox, with the double of the vendor behind the scripted outside: records, logins. */
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { conformance } from 'manifold/plugin/testing'
import type { TestPlugin, TestPluginOptions } from 'manifold/plugin/testing'
import { collectionsOf, FIELDS, openPlugin, person, secretAuth } from './fake/plugin.ts'
import { startFake, type Fake } from './fake/server.ts'

const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})

let fake: Fake
beforeEach(async () => {
  fake = await startFake({ publicKey })
})
afterEach(() => fake[Symbol.asyncDispose]())

const open = (config: object = {}, more: Partial<TestPluginOptions> = {}): Promise<TestPlugin> =>
  openPlugin(fake, config, more)
const collections = () => collectionsOf(fake)

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
    ['size', '0x1F', 'NumberOfEmployees: "0x1F" is not a number.'],
    ['size', '1e3', 'NumberOfEmployees: "1e3" is not a number.'],
    ['size', 'Infinity', 'NumberOfEmployees: "Infinity" is not a number.'],
    ['asked', '2026-02-31T12:00:00Z', 'Asked_At__c: "2026-02-31T12:00:00Z" is not a day of the calendar.'],
    ['asked', '2026-03-01T24:00:00Z', 'Asked_At__c: "2026-03-01T24:00:00Z" is not a day of the calendar.'],
    ['list', ['Price', 'a;Admin'], 'Topics__c: "Price, a;Admin" is not a list of values without ";".'],
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

  test.each([
    ['size', '   ', 'NumberOfEmployees', undefined],
    ['size', ' -012.50 ', 'NumberOfEmployees', -12.5],
    // Digits are not given away: Salesforce reads a number in text as well.
    ['size', '12345678901234567890', 'NumberOfEmployees', '12345678901234567890'],
    ['met', '2026-03-01T00:30:00+01:00', 'Met_On__c', '2026-03-01'],
    ['met', '2026-03-01T23:30:00-11:00', 'Met_On__c', '2026-03-01'],
    ['met', ' ', 'Met_On__c', undefined],
    ['asked', '2026-03-01T12:00', 'Asked_At__c', '2026-03-01T12:00:00.000Z'],
    ['asked', '2026-03-01', 'Asked_At__c', '2026-03-01T00:00:00.000Z'],
    ['list', 'Support;Price', 'Topics__c', 'Support;Price'],
    ['list', ' Support ;; Price; ', 'Topics__c', 'Support;Price'],
  ])('is what was written, and not what it might mean: %s "%s"', async (key, value, field, written) => {
    await using plugin = await open({ fields: all })
    const [outcome] = await plugin.run('upsert', [{ event: { ...person(1), data: { ...answers, [key]: value } } }])
    expect(outcome).toMatchObject({ outcome: 'delivered' })
    expect(fake.org.records('Lead')[0]?.[field]).toBe(written)
  })

  test('a comma is part of a value: no second one is made of it', async () => {
    await using plugin = await open({ fields: all })
    const [outcome] = await plugin.run('upsert', [
      { event: { ...person(1), data: { ...answers, list: 'Price, Support' } } },
    ])
    expect(outcome).toMatchObject({
      outcome: 'dead',
      code: 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST',
      message: expect.stringContaining('Price, Support'),
    })
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
    ['client_credentials', () => secretAuth(fake)],
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

  test('a login that is refused: unauthorized with the vendor’s words, and whose login it is', async () => {
    await using plugin = await open({ auth: { ...secretAuth(fake), clientSecret: 'not-the-secret-0123456789' } })
    const [outcome] = await plugin.run('upsert', [{ event: person(1) }])
    expect(outcome).toMatchObject({
      outcome: 'unauthorized',
      message: expect.stringMatching(
        /invalid_client: invalid client credentials\. It logs in as the run-as user of the app .*clientSecret/,
      ),
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

test('a key that the user may not write: no record can be made with it, and the check says so before', async () => {
  await using plugin = await open({ externalId: { field: 'Number__c', value: '{{event.id}}' } })
  const errors = (await plugin.check()).filter(({ level }) => level === 'error')
  expect(errors).toMatchObject([{ at: '/externalId/field', message: expect.stringContaining('cannot be set') }])
  expect(await plugin.run('upsert', [{ event: person(1) }])).toMatchObject([
    { outcome: 'dead', code: 'INVALID_FIELD_FOR_INSERT_UPDATE' },
  ])
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})

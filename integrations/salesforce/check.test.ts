/** What `check` finds in the settings, asked of the double and of describes that were made up. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HttpResponse } from 'manifold/plugin'
import { check } from './check.ts'
import { mappingFindings, type DescribedField } from './describe.ts'
import { OBJECTS } from './fake/objects.ts'
import { startFake, type Fake } from './fake/server.ts'
import type { Ctx } from './session.ts'
import type { Config } from './types.d.ts'

let fake: Fake
beforeAll(async () => {
  fake = await startFake()
})
afterAll(() => fake[Symbol.asyncDispose]())

const config = (more: Partial<Config> = {}): Config => ({
  instanceUrl: 'https://example.my.salesforce.com',
  auth: { flow: 'client_credentials', clientId: 'x', audience: 'https://login.salesforce.com' },
  object: 'Lead',
  externalId: { field: 'Manifold_Event_Id__c', value: '{{event.id}}' },
  fields: { LastName: { value: '{{data.name}}', maxLength: 80 }, Company: 'Acme' },
  apiVersion: '67.0',
  autoAssign: false,
  duplicateRules: 'refuse',
  batchSize: 200,
  ...more,
})
const lead = OBJECTS['Lead'] as readonly DescribedField[]
const fields = (more: Config['fields']): Partial<Config> => ({ fields: { ...config().fields, ...more } })
const changed = (name: string, more: Partial<DescribedField>) =>
  lead.map((field) => (field.name === name ? { ...field, ...more } : field))

test('a map that fits: nothing to say', () => {
  expect(mappingFindings(config(), lead)).toEqual([])
  const all = fields({
    NumberOfEmployees: { value: '{{data.size}}', type: 'number' },
    AnnualRevenue: '100',
    IsUnreadByOwner: { value: '{{data.news}}', type: 'boolean' },
    Met_On__c: { value: '{{data.met}}', type: 'date' },
    Asked_At__c: { value: '{{event.at}}', type: 'datetime' },
    LeadSource: 'Web',
    Rating: { value: '{{data.rating}}', type: 'picklist' },
    Topics__c: { value: '{{data.topics}}', type: 'multipicklist' },
    'Campaign.Code__c': 'spring',
  })
  expect(mappingFindings(config(all), lead)).toEqual([])
})

const WRONG = [
  ['a field that is not there', fields({ Nope__c: 'x' }), 'error', '/fields/Nope__c', 'Lead has no field "Nope__c"'],
  ['a field that cannot be set', fields({ CreatedDate: '{{event.at}}' }), 'error', '/fields/CreatedDate', 'read-only'],
  ['a field that is set once', fields({ First_Answer__c: 'x' }), 'warning', '/fields/First_Answer__c', 'not changed'],
  [
    'a text that is too long',
    fields({ FirstName: 'x'.repeat(41) }),
    'error',
    '/fields/FirstName',
    'takes 40 characters; this text has 41',
  ],
  [
    'a cut that is too long',
    fields({ FirstName: { value: '{{data.n}}', maxLength: 41 } }),
    'error',
    '/fields/FirstName',
    'maxLength is 41',
  ],
  [
    'a text that may be too long',
    fields({ FirstName: '{{data.n}}' }),
    'info',
    '/fields/FirstName',
    'maxLength: 40 cuts them',
  ],
  [
    'an address that may be too long',
    fields({ Email: '{{data.n}}' }),
    'info',
    '/fields/Email',
    'takes 80 characters, and longer answers are refused.',
  ],
  [
    'text for a number',
    fields({ NumberOfEmployees: '{{data.n}}' }),
    'error',
    '/fields/NumberOfEmployees',
    'type: number',
  ],
  ['text for a flag', fields({ IsUnreadByOwner: '{{data.n}}' }), 'error', '/fields/IsUnreadByOwner', 'type: boolean'],
  ['text for a day', fields({ Met_On__c: '{{data.n}}' }), 'error', '/fields/Met_On__c', 'type: date'],
  [
    'text for a choice of many',
    fields({ Topics__c: '{{data.n}}' }),
    'error',
    '/fields/Topics__c',
    'type: multipicklist',
  ],
  [
    'a number in another notation',
    fields({ NumberOfEmployees: '0x1F' }),
    'error',
    '/fields/NumberOfEmployees',
    'type: number',
  ],
  [
    'a comma, which is part of a value',
    fields({ Topics__c: { value: 'Price, Support', type: 'multipicklist' } }),
    'error',
    '/fields/Topics__c',
    '"Price, Support" is no value',
  ],
  [
    'a value that a restricted list has not',
    fields({ Rating: 'Lukewarm' }),
    'error',
    '/fields/Rating',
    '"Lukewarm" is no value of "Rating", which has: Hot, Warm, Cold',
  ],
  [
    'one of several values',
    fields({ Topics__c: { value: 'Price;Nope', type: 'multipicklist' } }),
    'error',
    '/fields/Topics__c',
    '"Nope" is no value',
  ],
  [
    'a value that an open list has not',
    fields({ LeadSource: 'Radio' }),
    'warning',
    '/fields/LeadSource',
    '"Radio" is no value',
  ],
  ['a required field that is missing', { fields: { LastName: 'x' } }, 'error', '/fields', 'Lead needs "Company"'],
  [
    'the key among the fields',
    fields({ Manifold_Event_Id__c: 'x' }),
    'error',
    '/fields/Manifold_Event_Id__c',
    'externalId.value',
  ],
  [
    'a key that is not there',
    { externalId: { field: 'Key__c', value: '{{event.id}}' } },
    'error',
    '/externalId/field',
    'has no field "Key__c"',
  ],
  [
    'a key that is none',
    { externalId: { field: 'FirstName', value: '{{data.x}}' } },
    'error',
    '/externalId/field',
    'not marked External ID',
  ],
] as const

test.each(WRONG.map((row) => [row[0], row] as const))('%s', (_name, [, more, level, at, words]) => {
  expect(mappingFindings(config(more), lead)).toEqual([{ level, at, message: expect.stringContaining(words) }])
})

test('a key that the user may not write', () => {
  const field = 'Manifold_Event_Id__c'
  expect(mappingFindings(config(), changed(field, { createable: false, updateable: false }))).toEqual([
    { level: 'error', at: '/externalId/field', message: expect.stringContaining('give that user edit on it') },
  ])
  // Nobody sets an Id, but records are found by it.
  const byId = config({ externalId: { field: 'Id', value: '{{data.id}}' } })
  expect(mappingFindings(byId, lead).filter(({ level }) => level === 'error')).toEqual([])
})

test('a key that is too short for the id of an event, or not unique', () => {
  const field = 'Manifold_Event_Id__c'
  expect(mappingFindings(config(), changed(field, { length: 30 }))).toMatchObject([
    { level: 'error', message: expect.stringContaining('takes 30 characters; an event’s id has 40'.replace('’', "'")) },
  ])
  expect(mappingFindings(config(), changed(field, { unique: false, idLookup: false }))).toMatchObject([
    { level: 'warning', message: expect.stringContaining('not Unique') },
  ])
})

/** The context of a run, with the double outside. */
function context(more: Partial<Config> = {}, token?: string): Ctx {
  const own = config({ instanceUrl: fake.url, ...more })
  return {
    config: own,
    token: async ({ instead }) => {
      const form = {
        grant_type: 'client_credentials',
        client_id: fake.app.clientId,
        client_secret: fake.app.clientSecret,
      }
      const body = new URLSearchParams(form)
      const answer = await fetch(`${fake.url}/services/oauth2/token`, { method: 'POST', body })
      const { access_token, ...fields } = (await answer.json()) as { access_token: string }
      return { $secret: instead === undefined ? (token ?? access_token) : access_token, fields }
    },
    http: async ({ method = 'GET', url, headers }): Promise<HttpResponse> => {
      const [scheme, { $secret }] = (headers ?? {})['authorization'] as unknown as [string, { $secret: string }]
      const answer = await fetch(url as string, { method, headers: { authorization: `${scheme}${$secret}` } })
      const body = await answer.text()
      const { status } = answer
      return { status, headers: {}, body, truncated: false, json: () => JSON.parse(body) as never }
    },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    metric() {},
  }
}

test('asked of the org: it fits', async () => {
  expect(await check(context())).toEqual([])
  expect(fake.requests.every(({ method }) => method === 'GET')).toBe(true)
})

test('a session that ended is no finding', async () => {
  expect(await check(context({}, 'ended-long-ago'))).toEqual([])
})

test.each([
  ['an object that is not there', { object: 'Nope__c' }, '/object', 'no object "Nope__c"'],
  ['a version that is retired', { apiVersion: '29.0' }, '/apiVersion', 'it has 31.0 to 68.0'],
  ['a version that is to come', { apiVersion: '99.0' }, '/apiVersion', 'it has 31.0 to 68.0'],
  ['a field that is not there', fields({ Nope__c: 'x' }), '/fields/Nope__c', 'no field'],
  [
    'a template that does not end',
    fields({ LastName: { value: '{{#data.name}}x', maxLength: 80 } }),
    '/fields/LastName',
    'Unclosed section',
  ],
  [
    'a tag that does not end',
    fields({ Company: { value: 'x {{data.y', maxLength: 80 } }),
    '/fields/Company',
    'Unclosed tag',
  ],
  [
    'a key that does not end',
    { externalId: { field: 'Manifold_Event_Id__c', value: '{{#event}}x' } },
    '/externalId/value',
    'Unclosed section',
  ],
] as const)('asked of the org: %s', async (_name, more, at, words) => {
  expect(await check(context(more))).toEqual([{ level: 'error', at, message: expect.stringContaining(words) }])
})

test('a policy of the org is about the login; an org that is down is a warning', async () => {
  fake.weather = () => 'not-for-rest'
  expect(await check(context())).toMatchObject([{ level: 'error', at: '/auth' }])
  fake.weather = ({ path }) => (path.endsWith('/describe') ? 'unavailable' : null)
  expect(await check(context())).toMatchObject([
    { level: 'warning', message: expect.stringContaining('SERVER_UNAVAILABLE') },
  ])
  fake.weather = () => null
})

test('a login that is refused is a finding; one that could not be tried is not', async () => {
  const failing = (code: string): Ctx => ({
    ...context(),
    token: () => Promise.reject(Object.assign(new Error(`their words`), { code })),
  })
  expect(await check(failing('credential_refused'))).toEqual([
    { level: 'error', message: expect.stringMatching(/^their words It logs in as /), at: '/auth' },
  ])
  await expect(check(failing('http_timeout'))).rejects.toThrow('their words')
})

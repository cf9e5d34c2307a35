/** The double is honest: jsforce, the client that is used with Salesforce, gets along with it, in what goes well and in what fails. */
import { Connection } from 'jsforce'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startFake, type Fake } from './server.ts'

const VERSION = '67.0'
let fake: Fake
beforeEach(async () => {
  fake = await startFake()
})
afterEach(() => fake[Symbol.asyncDispose]())

const oauth2 = () => ({ clientId: fake.app.clientId, clientSecret: fake.app.clientSecret, loginUrl: fake.url })

async function connect(version = VERSION): Promise<Connection> {
  const connection = new Connection({ oauth2: oauth2(), loginUrl: fake.url, version })
  await connection.login(fake.app.username, fake.app.password)
  return connection
}

const lead = (n: number, more: object = {}) => ({
  Manifold_Event_Id__c: `evt_${n}`,
  LastName: `Name ${n}`,
  Company: 'Acme',
  ...more,
})
interface Failure {
  readonly errorCode?: string
  readonly name?: string
  readonly message?: string
}
const errorOf = async (work: Promise<unknown>): Promise<Failure> =>
  await work.then(
    (): Failure => ({ errorCode: 'none' }),
    (error: unknown) => error as Failure,
  )

describe('logging in', () => {
  test('with a password; the user, the org and the instance are known then', async () => {
    const connection = await connect()
    expect(connection.instanceUrl).toBe(fake.url)
    expect(connection.accessToken).toBe(fake.tokens[0])
    expect(connection.userInfo).toMatchObject({ organizationId: '00D000000000001EAA', id: '005000000000001AAA' })
  })

  test('with client credentials', async () => {
    const connection = new Connection({ oauth2: oauth2(), version: VERSION })
    await connection.authorize({ grant_type: 'client_credentials' })
    expect(await connection.sobject('Lead').create(lead(1))).toMatchObject({ success: true })
  })

  test('refused: the error and its description', async () => {
    const connection = new Connection({ oauth2: oauth2(), loginUrl: fake.url })
    const error = await errorOf(connection.login(fake.app.username, 'wrong'))
    expect([error.name, error.message]).toEqual(['invalid_grant', 'authentication failure'])
  })

  test('a session that ended is refreshed once, and the call repeated', async () => {
    let refreshes = 0
    const connection = new Connection({
      oauth2: oauth2(),
      instanceUrl: fake.url,
      accessToken: 'ended-long-ago',
      version: VERSION,
      refreshFn: (own, done) => {
        refreshes += 1
        own.oauth2.refreshToken(fake.app.refreshToken).then(
          ({ access_token }) => done(null, access_token),
          (error: Error) => done(error),
        )
      },
    })
    expect(await connection.sobject('Lead').create(lead(1))).toMatchObject({ success: true })
    expect([refreshes, fake.tokens.length, fake.requests.length]).toEqual([1, 1, 2])
  })

  test('a policy of the org is not refreshed', async () => {
    const connection = await connect()
    fake.weather = () => 'not-for-rest'
    const error = await errorOf(connection.sobject('Lead').create(lead(1)))
    expect(error).toMatchObject({
      errorCode: 'INVALID_SESSION_ID',
      message: 'This session is not valid for use with the REST API',
    })
    expect(fake.tokens.length).toBe(1)
  })
})

describe('writing', () => {
  test('create, and upsert of one: created, then updated', async () => {
    const connection = await connect()
    const created = await connection.sobject('Lead').create(lead(1))
    expect(created).toMatchObject({ success: true, errors: [] })
    const upsert = (name: string) =>
      connection.sobject('Lead').upsert(lead(2, { LastName: name }), 'Manifold_Event_Id__c')
    expect(await upsert('first')).toMatchObject({ success: true, created: true })
    expect(await upsert('second')).toMatchObject({ success: true, created: false })
    expect(fake.org.records('Lead').map(({ LastName }) => LastName)).toEqual(['Name 1', 'second'])
  })

  test('a collection: as many rows as records, each with its own result', async () => {
    const connection = await connect()
    const results = await connection
      .sobject('Lead')
      .upsert([lead(1), lead(2, { Email: 'no address' }), lead(3)], 'Manifold_Event_Id__c', { allowRecursive: true })
    expect(results).toMatchObject([
      { success: true, created: true },
      { success: false, errors: [{ statusCode: 'INVALID_EMAIL_ADDRESS', fields: ['Email'] }] },
      { success: true, created: true },
    ])
    const created = await connection
      .sobject('Lead')
      .create([lead(4), lead(5, { LastName: '' })], { allowRecursive: true })
    expect(created).toMatchObject([
      { success: true },
      { success: false, errors: [{ statusCode: 'REQUIRED_FIELD_MISSING' }] },
    ])
  })

  test('the request that the connector makes, made by jsforce', async () => {
    const connection = await connect()
    const path = `/services/data/v${VERSION}/composite/sobjects/Lead/Manifold_Event_Id__c`
    const records = [lead(1), lead(1), lead(2)].map((record) => ({ attributes: { type: 'Lead' }, ...record }))
    const answer = await connection.requestPatch(path, { allOrNone: false, records })
    expect(answer).toMatchObject([
      { success: false, errors: [{ statusCode: 'DUPLICATE_VALUE' }] },
      { success: false, errors: [{ statusCode: 'DUPLICATE_VALUE' }] },
      { success: true, created: true, errors: [] },
    ])
    const many = Array.from({ length: 201 }, (_, n) => ({ attributes: { type: 'Lead' }, ...lead(n) }))
    expect(await errorOf(connection.requestPatch(path, { allOrNone: false, records: many }))).toMatchObject({
      errorCode: 'INVALID_INPUT',
    })
  })
})

describe('failing', () => {
  test.each([
    ['a field that does not exist', { Nope__c: 1 }, 'INVALID_FIELD'],
    ['a number that is none', { NumberOfEmployees: 'many' }, 'JSON_PARSER_ERROR'],
    ['too long a text', { LastName: 'x'.repeat(81) }, 'STRING_TOO_LONG'],
    ['a value that is not offered', { Rating: 'Luke' }, 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST'],
    ['a field that is read only', { CreatedDate: '2026-01-01T00:00:00Z' }, 'INVALID_FIELD_FOR_INSERT_UPDATE'],
  ])('%s', async (_name, more, errorCode) => {
    const connection = await connect()
    expect(await errorOf(connection.sobject('Lead').create(lead(1, more)))).toMatchObject({ errorCode })
    expect(fake.org.records('Lead')).toEqual([])
  })

  test('300: two records have the key', async () => {
    const connection = await connect()
    for (const n of [1, 2]) await connection.sobject('Lead').create(lead(n, { Free__c: 'same' }))
    const error = await errorOf(
      connection.sobject('Lead').upsert({ LastName: 'x', Company: 'y', Free__c: 'same' }, 'Free__c'),
    )
    expect(error).toMatchObject({ errorCode: 'MULTIPLE_CHOICES' })
  })

  test('duplicate rules: an alert gives way to the header, a block does not', async () => {
    const connection = await connect()
    await connection.sobject('Lead').create(lead(1, { Email: 'ada@example.com' }))
    const create = (n: number, headers: Record<string, string> = {}) =>
      errorOf(connection.sobject('Lead').create(lead(n, { Email: 'ada@example.com' }), { headers }))
    const header = { 'Sforce-Duplicate-Rule-Header': 'allowSave=true' }
    fake.org.duplicateRule = { field: 'Email', kind: 'alert' }
    expect(await create(2)).toMatchObject({ errorCode: 'DUPLICATES_DETECTED' })
    expect(await create(3, header)).toEqual({ errorCode: 'none' })
    fake.org.duplicateRule = { field: 'Email', kind: 'block' }
    expect(await create(4, header)).toMatchObject({ errorCode: 'DUPLICATES_DETECTED' })
  })

  test('calls of a day: told in a header, then refused', async () => {
    await fake[Symbol.asyncDispose]()
    fake = await startFake({ callsMax: 2 })
    const connection = await connect()
    for (const n of [1, 2]) await connection.sobject('Lead').create(lead(n))
    expect(connection.limitInfo.apiUsage).toEqual({ used: 2, limit: 2 })
    expect(await errorOf(connection.sobject('Lead').create(lead(3)))).toMatchObject({
      errorCode: 'REQUEST_LIMIT_EXCEEDED',
    })
  })

  test.each([
    ['unavailable', 'SERVER_UNAVAILABLE'],
    ['html-500', 'ERROR_HTTP_500'],
    ['after-503', 'SERVER_UNAVAILABLE'],
  ] as const)('%s', async (fault, errorCode) => {
    const connection = await connect()
    fake.weather = () => fault
    expect(await errorOf(connection.sobject('Lead').create(lead(1)))).toMatchObject({ errorCode })
    expect(fake.org.records('Lead').length).toBe(fault === 'after-503' ? 1 : 0)
  })

  test.each([
    ['30.0', 'UNSUPPORTED_API_VERSION'],
    ['99.0', 'NOT_FOUND'],
  ])('version %s', async (version, errorCode) => {
    const connection = await connect(version)
    expect(await errorOf(connection.sobject('Lead').describe())).toMatchObject({ errorCode })
  })
})

test('describe: the fields as the official client types them', async () => {
  const connection = await connect()
  const { name, fields } = await connection.sobject('Lead').describe()
  expect(name).toBe('Lead')
  const required = fields.filter((field) => field.createable && !field.nillable && !field.defaultedOnCreate)
  expect(required.map((field) => field.name)).toEqual(['LastName', 'Company'])
  expect(fields.find((field) => field.name === 'Rating')?.picklistValues?.map(({ value }) => value)).toEqual([
    'Hot',
    'Warm',
    'Cold',
  ])
  expect(await errorOf(connection.sobject('Nothing__c').describe())).toMatchObject({ errorCode: 'NOT_FOUND' })
})

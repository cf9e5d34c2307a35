/** Every row of the error table, as the double says it and as the hub judges it. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { testPlugin } from 'manifold/plugin/testing'
import type { Reply, TestPlugin } from 'manifold/plugin/testing'
import { MOVES } from './outcomes.ts'
import { heldBySpent, learnSpent } from './spent.ts'

const ORG = 'https://example.my.salesforce.com'
const COLLECTION = `PATCH ${ORG}/services/data/v67.0/composite/sobjects/Lead/Manifold_Event_Id__c`
const SOON_MS = 15_000
const HOUR_MS = 3_600_000

let plugin: TestPlugin
beforeAll(async () => {
  plugin = await testPlugin({
    dir: import.meta.dirname,
    config: {
      instanceUrl: ORG,
      auth: { flow: 'client_credentials', clientId: 'app', clientSecret: 'secret-0123456789' },
      fields: { LastName: '{{data.name}}', Company: 'x' },
    },
  })
  plugin.http.on(`POST ${ORG}/services/oauth2/token`, { json: { access_token: 'token-0123456789', instance_url: ORG } })
})
afterAll(() => plugin[Symbol.asyncDispose]())
beforeEach(async () => {
  plugin.http.forget()
  // Whoever was told that the calls of a day are used up asks nothing for an hour.
  await plugin.advance('2h')
})

const item = (name: string) => ({ event: { type: 'response.submitted', data: { name } } })
const fails = (statusCode: string) => ({
  success: false,
  errors: [{ statusCode, message: `words of ${statusCode}`, fields: ['LastName'] }],
})
const taken = { id: '00Q1', success: true, created: true, errors: [] }

async function outcomes(reply: Reply | readonly Reply[], count = 1) {
  plugin.http.on(COLLECTION, reply)
  return await plugin.run(
    'upsert',
    Array.from({ length: count }, (_, n) => item(`n${n}`)),
  )
}

const sayWords = (code: string) => ({ message: expect.stringContaining(`${code}: words of ${code} (LastName)`) })

/** What each move comes to for a row of a collection. */
const ROWS = {
  retry: (code: string) => ({ outcome: 'retry', code, afterMs: null, ...sayWords(code) }),
  again: (code: string) => ({ outcome: 'dead', code, ...sayWords(code) }),
  dead: (code: string) => ({ outcome: 'dead', code, disable: false, ...sayWords(code) }),
  config: (code: string) => ({ outcome: 'dead', code: 'config_invalid', ...sayWords(code) }),
  spent: (code: string) => ({ outcome: 'retry', code, afterMs: HOUR_MS, ...sayWords(code) }),
  refused: (code: string) => ({ outcome: 'unauthorized', ...sayWords(code) }),
}

test.each([
  ['UNABLE_TO_LOCK_ROW', 'retry'],
  ['SERVER_UNAVAILABLE', 'retry'],
  ['REQUEST_LIMIT_EXCEEDED', 'spent'],
  ['STORAGE_LIMIT_EXCEEDED', 'refused'],
  ['DUPLICATE_VALUE', 'again'],
  ['DUPLICATES_DETECTED', 'dead'],
  ['REQUIRED_FIELD_MISSING', 'dead'],
  ['FIELD_CUSTOM_VALIDATION_EXCEPTION', 'dead'],
  ['STRING_TOO_LONG', 'dead'],
  ['INVALID_EMAIL_ADDRESS', 'dead'],
  ['INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST', 'dead'],
  ['INVALID_FIELD', 'dead'],
  ['INVALID_TYPE', 'dead'],
  ['JSON_PARSER_ERROR', 'dead'],
  ['CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY', 'dead'],
  ['INSUFFICIENT_ACCESS', 'dead'],
  ['INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY', 'dead'],
  ['DUPLICATE_EXTERNAL_ID', 'config'],
  ['NOT_FOUND', 'config'],
  ['API_DISABLED_FOR_ORG', 'refused'],
] as const)('%s is as the notes say: %s', (code, move) => {
  expect(MOVES[code]).toBe(move)
})

test.each(Object.entries(MOVES))('a row with %s: %s, and its neighbour is delivered', async (code, move) => {
  const [failed, neighbour] = await outcomes({ json: [fails(code), taken] }, 2)
  // What is sent again comes alone, and gets two rows back here: that is no answer to it.
  if (move !== 'again') expect(failed).toMatchObject(ROWS[move](code))
  expect(neighbour).toMatchObject({ outcome: 'delivered' })
})

test('a duplicate value is sent once more: then it is an update, or it is dead', async () => {
  const race = fails('DUPLICATE_VALUE')
  expect(await outcomes([{ json: [race] }, { json: [{ ...taken, created: false }] }])).toMatchObject([
    { outcome: 'delivered' },
  ])
  plugin.http.forget()
  expect(await outcomes({ json: [race] })).toMatchObject([ROWS.again('DUPLICATE_VALUE')])
  expect(plugin.http.requests.length).toBe(2)
})

test.each(['SOME_NEW_CODE', 'toString', '__proto__'])('an unknown code of a row is a dead letter: %s', async (code) => {
  expect(await outcomes({ json: [fails(code)] })).toMatchObject([ROWS.dead(code)])
})

const TRIGGER = 'CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY'
const LOCKED_WORDS =
  'LeadTrigger: execution of AfterUpdate caused by: System.DmlException: Update failed. First exception on row 0; ' +
  'first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record or 1 records: 001xx'

test.each([
  ['in the words of a trigger', [{ statusCode: TRIGGER, message: LOCKED_WORDS }]],
  [
    'in the words of a flow',
    [{ statusCode: 'CANNOT_EXECUTE_FLOW_TRIGGER', message: 'unable to obtain exclusive access' }],
  ],
  [
    'beside something else',
    [
      { statusCode: 'STRING_TOO_LONG', message: 'x' },
      { statusCode: 'UNABLE_TO_LOCK_ROW', message: '' },
    ],
  ],
] as const)('a row that was locked is tried again: %s', async (_name, errors) => {
  const [locked, neighbour] = await outcomes({ json: [{ success: false, errors }, taken] }, 2)
  expect(locked).toMatchObject({ outcome: 'retry', code: 'UNABLE_TO_LOCK_ROW', afterMs: null })
  expect(neighbour).toMatchObject({ outcome: 'delivered' })
})

test('a row that says the calls of a day are used up keeps the next run from asking, too', async () => {
  const [spent, neighbour] = await outcomes({ json: [fails('REQUEST_LIMIT_EXCEEDED'), taken] }, 2)
  expect([spent?.outcome, neighbour?.outcome]).toEqual(['retry', 'delivered'])
  plugin.http.forget()
  expect(await outcomes({ json: [taken] })).toMatchObject([{ outcome: 'retry', code: 'REQUEST_LIMIT_EXCEEDED' }])
  expect(plugin.http.requests).toEqual([])
})

test('a trigger that fails for another reason is a dead letter', async () => {
  const errors = [{ statusCode: TRIGGER, message: 'LeadTrigger: System.NullPointerException', fields: [] }]
  expect(await outcomes({ json: [{ success: false, errors }] })).toMatchObject([{ outcome: 'dead', code: TRIGGER }])
})

const whole = (status: number, errorCode: string, message = 'their words'): Reply => ({
  status,
  json: [{ errorCode, message }],
})

const AT_ONCE = 'ConcurrentRequests (Concurrent API Requests) Limit exceeded.'
const CROWDED = { outcome: 'retry', code: 'REQUEST_LIMIT_EXCEEDED', message: expect.stringContaining('Concurrent') }
const SPENT = {
  outcome: 'retry',
  code: 'REQUEST_LIMIT_EXCEEDED',
  afterMs: HOUR_MS,
  message: expect.stringMatching(/5001 of the 5000 API calls .* 24 hours are used up.* in an hour/),
}
const GONE = { outcome: 'dead', code: 'config_invalid', disable: true }

test.each([
  [
    '403 limit of a day',
    {
      status: 403,
      json: [{ errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'their words' }],
      headers: { 'sforce-limit-info': 'api-usage=5001/5000' },
    },
    SPENT,
  ],
  ['403 limit without its numbers', whole(403, 'REQUEST_LIMIT_EXCEEDED'), { outcome: 'retry', afterMs: HOUR_MS }],
  ['403 too many at once', whole(403, 'REQUEST_LIMIT_EXCEEDED', AT_ONCE), { ...CROWDED, afterMs: SOON_MS }],
  ['503 too many at once', whole(503, 'REQUEST_LIMIT_EXCEEDED', 'ConcurrentPerOrgLongTxn Limit exceeded.'), CROWDED],
  ['403 api off', whole(403, 'API_DISABLED_FOR_ORG'), { outcome: 'unauthorized' }],
  ['403 access', whole(403, 'INSUFFICIENT_ACCESS'), { outcome: 'dead', code: 'INSUFFICIENT_ACCESS' }],
  ['403 unknown', whole(403, 'NEVER_SEEN'), { outcome: 'dead', code: 'NEVER_SEEN' }],
  ['400 field', whole(400, 'INVALID_FIELD'), { outcome: 'dead', code: 'INVALID_FIELD' }],
  ['400 json', whole(400, 'JSON_PARSER_ERROR'), { outcome: 'dead', code: 'JSON_PARSER_ERROR' }],
  ['404', whole(404, 'NOT_FOUND'), GONE],
  ['404 without words', { status: 404 }, GONE],
  ['410', whole(410, 'UNSUPPORTED_API_VERSION'), GONE],
  ['410 without words', { status: 410 }, GONE],
  ['400 no such object', whole(400, 'INVALID_TYPE'), GONE],
  ['300', { status: 300, json: ['/a', '/b'] }, { outcome: 'dead', code: 'config_invalid' }],
  ['503', whole(503, 'SERVER_UNAVAILABLE'), { outcome: 'retry', code: 'SERVER_UNAVAILABLE' }],
  ['500 of a proxy', { status: 500, body: '<html>' }, { outcome: 'retry', code: 'http_500' }],
  ['429', { status: 429, headers: { 'retry-after': '7' } }, { outcome: 'retry', code: 'http_429', afterMs: 7_000 }],
  ['409 lock', whole(409, 'UNABLE_TO_LOCK_ROW'), { outcome: 'retry', code: 'UNABLE_TO_LOCK_ROW' }],
  ['400 lock in a trigger', whole(400, TRIGGER, LOCKED_WORDS), { outcome: 'retry', code: 'UNABLE_TO_LOCK_ROW' }],
  ['418', { status: 418, body: 'teapot' }, { outcome: 'dead', code: 'http_418' }],
  ['200 with nonsense', { body: '[{"success":' }, { outcome: 'retry', code: 'answer_unreadable' }],
  ['200 with too few', { json: [] }, { outcome: 'retry', code: 'answer_unreadable' }],
  ['200 with a page', { body: '<html>' }, { outcome: 'retry', code: 'answer_unreadable' }],
  ['200 with odd rows', { json: [7] }, { outcome: 'retry', code: 'answer_unreadable' }],
  ['200 with a silent row', { json: [{ success: false }] }, { outcome: 'retry', code: 'answer_unreadable' }],
  ['a connection that broke', { error: 'http_reset' }, { outcome: 'retry', code: 'http_reset' }],
  ['no answer', { error: 'http_timeout' }, { outcome: 'retry', code: 'http_timeout' }],
] as const)('the call as a whole: %s', async (_name, reply, expected) => {
  const [outcome] = await outcomes(reply)
  expect(outcome).toMatchObject(expected)
  if (typeof reply === 'object' && 'json' in reply && JSON.stringify(reply.json).includes('their words'))
    expect(outcome?.message).toContain('their words')
})

test('what passes for all of them is not looked for among them', async () => {
  const all = await outcomes(whole(400, TRIGGER, LOCKED_WORDS), 4)
  expect(all.map(({ outcome, code }) => [outcome, code])).toEqual(
    Array.from({ length: 4 }, () => ['retry', 'UNABLE_TO_LOCK_ROW']),
  )
  expect(plugin.http.requests.filter(({ method }) => method === 'PATCH').length).toBe(1)
})

test('the breaker counts what is down, not what is refused', async () => {
  for (let n = 0; n < 10; n++) await outcomes({ json: [fails('STRING_TOO_LONG')] })
  expect(await outcomes({ json: [taken] })).toMatchObject([{ outcome: 'delivered' }])
})

test('the calls of a day are used up: after an hour one run asks, the others wait for what it finds out', () => {
  const spent = { outcome: 'retry', reason: 'used up', code: 'LIMIT', afterMs: HOUR_MS, untouched: true } as const
  expect(heldBySpent(0)).toBeNull()
  learnSpent(spent, 0)
  expect([heldBySpent(0), heldBySpent(HOUR_MS - 1)]).toEqual([spent, { ...spent, afterMs: HOUR_MS / 4 }])
  expect([heldBySpent(HOUR_MS), heldBySpent(HOUR_MS + 1)]).toEqual([null, { ...spent, afterMs: HOUR_MS / 4 }])
  learnSpent(spent, HOUR_MS + 2)
  expect(heldBySpent(HOUR_MS + 120_000)).toMatchObject({ outcome: 'retry' })
  // Whoever asked never came back: the next one does.
  expect(heldBySpent(3 * HOUR_MS)).toBeNull()
  expect(heldBySpent(3 * HOUR_MS + 60_000)).toBeNull()
  learnSpent(null, 3 * HOUR_MS + 60_001)
  expect([heldBySpent(3 * HOUR_MS + 60_002), heldBySpent(3 * HOUR_MS + 60_003)]).toEqual([null, null])
})

test('the README says of each code of the table what happens', () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
  expect(Object.keys(MOVES).filter((each) => !readme.includes(`\`${each}\``))).toEqual([])
})

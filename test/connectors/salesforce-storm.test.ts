/**
 * Salesforce in the storm: 10,000 real answers, an org that fails one call in ten in every way that it knows, a hub that is
 * killed every few seconds. Each answer is there once, or it is a dead letter with Salesforce's own words.
 */
import { expect, test } from 'vitest'
import { startFake, type Fake, type Fault } from '../../integrations/salesforce/fake/server.ts'
import { leftBehind, placesOf } from '../support/left-behind.ts'
import { openStorm, SURVEY } from '../support/storm.ts'

const RESPONSES = 10_000
const TIMEOUT_MS = 900_000
const CALLS_FAIL = 0.1
const OBJECT = 'Survey_Answer__c'
const BATCH = 200
/** Ten times the calls, so that ten times as many can fail. */
const SMALL_BATCH = 20
/** One in so many answers is refused for good. */
const REFUSED_EVERY = 500
const WORDS = 'No answers that end like this one.'

/** All that a call can come to, but the one that stops the installation until somebody acts. */
const FAULTS: readonly Fault[] = [
  'expired',
  'concurrent',
  'unavailable',
  'html-500',
  'reset',
  'hang',
  'garbage',
  'after-reset',
  'after-503',
  { every: 3, row: { statusCode: 'UNABLE_TO_LOCK_ROW', message: 'unable to obtain exclusive access', fields: [] } },
  { every: 7, row: { statusCode: 'DUPLICATE_VALUE', message: 'duplicate value found', fields: ['Key__c'] } },
]

const installation = (fake: Fake, batchSize: number, more: object = {}) => ({
  id: 'crm',
  use: 'salesforce',
  when: { form: SURVEY },
  pii: true,
  with: {
    instanceUrl: fake.url,
    auth: { flow: 'client_credentials', clientId: fake.app.clientId, clientSecret: fake.app.clientSecret },
    object: OBJECT,
    batchSize,
    fields: {
      Key__c: '{{data.key}}',
      Text__c:
        '{{#data.main_dish}}{{data.main_dish}}; {{/data.main_dish}}{{#data.region}}{{data.region}}{{/data.region}}',
    },
  },
  ...more,
})

const collections = (fake: Fake) => fake.requests.filter(({ path }) => path.includes('/composite/'))
const keysOf = (fake: Fake) => fake.org.records(OBJECT).map(({ Key__c }) => String(Key__c))

/** What `storm.blow` found, against what the org holds. */
function addsUp(fake: Fake, end: Awaited<ReturnType<Awaited<ReturnType<typeof openStorm>>['blow']>>): void {
  const { account, deadKeys } = end
  expect(account).toMatchObject({
    sent: RESPONSES,
    acknowledged: RESPONSES,
    lost: [],
    invented: [],
    storedTwice: [],
    unaccounted: [],
    idChanged: [],
  })
  const keys = keysOf(fake)
  const once = new Set(keys)
  expect(keys.length).toBe(once.size)
  expect(account.duplicates.size).toBe(0)
  expect([...deadKeys].filter((key) => once.has(key))).toEqual([])
  expect(once.size + deadKeys.size).toBe(RESPONSES)
  expect([...account.undelivered].toSorted()).toEqual([...deadKeys].toSorted())
}

test(
  'ten thousand answers through an org that fails and a hub that dies: each is there once, or dead with the reason',
  { timeout: TIMEOUT_MS },
  async () => {
    await using fake = await startFake()
    let calls = 0
    fake.weather = ({ path }) => {
      if (!path.includes('/composite/') || Math.random() >= CALLS_FAIL) return null
      return FAULTS[calls++ % FAULTS.length] ?? null
    }
    fake.loginWeather = () => (Math.random() < CALLS_FAIL ? { status: 503, body: 'busy' } : null)
    fake.org.validation = ({ Key__c }) => (Number(String(Key__c).slice(1)) % REFUSED_EVERY === 7 ? WORDS : null)
    await using storm = await openStorm({
      installation: installation(fake, SMALL_BATCH, {
        concurrency: 4,
        retry: { schedule: Array.from({ length: 20 }, (_, n) => (n < 4 ? '200ms' : '1s')) },
      }),
      responses: RESPONSES,
      killEveryMs: [4_000, 8_000],
      limits: { httpTimeoutMs: 2_000, retryAfterMsMax: 1_000, breakerProbeMs: 500, breakerProbeMsMax: 1_000 },
    })
    fake.org.onWrite = ({ Key__c }, created) => {
      if (created) storm.ledger.received(String(Key__c))
    }
    const end = await storm.blow()
    expect(end.kills).toBeGreaterThan(0)
    expect(calls).toBeGreaterThan(FAULTS.length)
    addsUp(fake, end)
    expect(end.deadKeys.size).toBe(RESPONSES / REFUSED_EVERY)
    for (const { error_code, error } of end.dead) {
      expect(error_code).toBe('FIELD_CUSTOM_VALIDATION_EXCEPTION')
      expect(error).toContain(WORDS)
    }
    const left = await leftBehind(storm.hub, 'crm')
    // It is looked where the requests are.
    expect(placesOf(['Bearer [secret]'], left).length).toBeGreaterThan(0)
    expect(placesOf([...fake.tokens, fake.app.clientSecret], left)).toEqual([])
  },
)

test('when nothing fails, ten thousand records are fifty calls', { timeout: TIMEOUT_MS }, async () => {
  await using fake = await startFake()
  await using storm = await openStorm({
    installation: installation(fake, BATCH),
    responses: RESPONSES,
    killEveryMs: null,
  })
  fake.org.onWrite = ({ Key__c }) => storm.ledger.received(String(Key__c))
  addsUp(fake, await storm.blow())
  expect(collections(fake).length).toBe(RESPONSES / BATCH)
  expect(fake.tokens.length).toBe(1)
})

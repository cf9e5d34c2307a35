/**
 * Google Sheets under the storm: real answers by the thousand, a Google that fails in every way, a hub that is killed again
 * and again. Each answer is one row or one dead letter; the ledger is written by the double, outside the hub.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import manifest from '../../integrations/google-sheets/plugin.json' with { type: 'json' }
import { startFakeSheets } from '../../integrations/google-sheets/fake/server.ts'
import type { FakeRequest, FakeSheets, Fault } from '../../integrations/google-sheets/fake/server.ts'
import { openStorm } from '../support/storm.ts'
import type { Storm } from '../support/storm.ts'
import { until } from '../support/wait.ts'

const RESPONSES = 10_000
/** Ten thousand by hand (`MANIFOLD_STORM_RESPONSES`). */
const IN_STORM = Number(process.env['MANIFOLD_STORM_RESPONSES'] ?? 3_000)
const FAULT_SHARE = 0.1
/** Google's own limit, for reads and for writes; more in a minute would be refused. */
const CALLS_MAX = 60
/** Of writes, where nothing but their number counts. */
const QUICK_PER_MINUTE = 240
const REFUSED = 'this is refused by the double'
/** One answer in so many is none that Google takes. */
const BAD_EVERY = 500
/** So long the double may be at work on a request; of Google itself it is three minutes. */
const SETTLE_S = 2
const LATE_MS_MAX = 1_500
const LATE_EVERY = 10

const sheet = (google: FakeSheets, settings: object = {}) => ({
  id: 'sheet',
  use: 'google-sheets',
  with: {
    credentials: google.keyFile,
    spreadsheet: google.spreadsheet.id,
    tab: 'Answers',
    apiUrl: google.url,
    ...settings,
  },
  retry: { schedule: Array<string>(40).fill('300ms') },
})

/** Rows that Google keeps are told to the ledger by the key of their answer. */
function keepBook(google: FakeSheets, storm: Storm): void {
  google.kept = (rows) => {
    const place = google.spreadsheet.tab('Answers').rows[0]?.indexOf('Key') ?? -1
    for (const row of rows) storm.ledger.received(JSON.stringify(row[place]).replaceAll('"', ''))
  }
}

/** Every way in which Google and the line to it fail, in turn, each with the same share; and rows that it never takes. */
function weather(google: FakeSheets): (request: FakeRequest) => Fault | null {
  const kinds: readonly ((request: FakeRequest) => Fault | null)[] = [
    () => ({ kind: 'before' }),
    () => ({ kind: 'lost' }),
    () => ({ kind: 'cut' }),
    () => ({ kind: 'hang' }),
    () => ({ kind: 'slow', delayMs: 500 }),
    () => {
      google.tokens.expireAll()
      return null
    },
    () => ({ kind: 'status', status: 429, message: 'Quota exceeded for quota metric', retryAfterS: 1 }),
    () => ({ kind: 'status', status: 500 }),
    () => ({ kind: 'status', status: 503 }),
    ({ kind }) =>
      kind === 'token' ? null : { kind: 'status', status: 403, message: 'Rate Limit Exceeded: rateLimitExceeded' },
    ({ kind }) => (kind === 'write' ? { kind: 'status', status: 400, message: `Invalid data: ${REFUSED}` } : null),
  ]
  let turn = 0
  let writes = 0
  return (request) => {
    const refusal = refusalOf(request)
    const isLate = refusal === null && request.kind === 'write' && ++writes % LATE_EVERY === 0
    if (isLate) return { kind: 'late', delayMs: Math.random() * LATE_MS_MAX }
    if (refusal !== null || Math.random() >= FAULT_SHARE) return refusal
    return kinds[turn++ % kinds.length]?.(request) ?? null
  }
}

/** In the words of Google, which say which part of the request they mean. */
function refusalOf({ kind, body }: FakeRequest): Fault | null {
  if (kind !== 'write') return null
  const { requests } = JSON.parse(body) as { requests: readonly object[] }
  const at = requests.findIndex((request) => BAD_KEY.test(JSON.stringify(request)))
  if (at < 0) return null
  return { kind: 'status', status: 400, message: `Invalid requests[${at}].appendCells: ${REFUSED}` }
}

/** As a cell of its own: the keys of the storm are `r0`, `r1` and so on. */
const BAD_KEY = /"r(0|\d*[05]00)"/

const rowsOf = (google: FakeSheets) => google.spreadsheet.tab('Answers').records()

test(
  `the storm: ${IN_STORM} answers, each one row or one dead letter in Google's words`,
  { timeout: 1_200_000 },
  async () => {
    await using google = await startFakeSheets({ quota: null })
    await using storm = await openStorm({
      installation: sheet(google, { writesPerMinute: 1_200, settleS: SETTLE_S }),
      responses: IN_STORM,
      // A hub that has just started needs some of it to get anywhere, on a machine that is busy.
      killEveryMs: [4_000, 8_000],
      limits: { httpTimeoutMs: 2_000, breakerFailuresMax: 1_000 },
    })
    keepBook(google, storm)
    google.fault = weather(google)
    const { kills, account, dead, deadKeys } = await storm.blow()

    expect(account).toMatchObject({ sent: IN_STORM, acknowledged: IN_STORM, lost: [], invented: [], storedTwice: [] })
    expect(account).toMatchObject({ unaccounted: [], idChanged: [] })
    expect(account.duplicates).toEqual(new Map())
    expect(new Set(account.undelivered)).toEqual(deadKeys)
    expect(account.received + deadKeys.size).toBe(IN_STORM)
    // Nothing may come behind, either.
    google.land()
    const rows = rowsOf(google)
    expect(rows).toHaveLength(IN_STORM - deadKeys.size)
    expect(new Set(rows.map((row) => row['Delivery ID'])).size).toBe(rows.length)
    expect(new Set(rows.map((row) => row['Key'])).size).toBe(rows.length)
    expect(dead).toHaveLength(deadKeys.size)
    for (const letter of dead)
      expect(letter).toMatchObject({ error_code: 'rejected', error: expect.stringContaining(REFUSED) })
    for (let n = 0; n < IN_STORM; n += BAD_EVERY) expect(deadKeys).toContain(`r${n}`)
    expect(kills).toBeGreaterThan(0)
  },
)

test(
  `without faults: ${RESPONSES} rows within the calls of one minute, ${CALLS_MAX} of each kind, and key and token nowhere`,
  { timeout: 600_000 },
  async () => {
    await using google = await startFakeSheets()
    // The pace of a minute in a few seconds; the number of calls is what Google counts.
    const quick = sheet(google, { writesPerMinute: QUICK_PER_MINUTE })
    await using storm = await openStorm({ installation: quick, responses: RESPONSES, killEveryMs: null })
    keepBook(google, storm)
    const writesAtMs: number[] = []
    google.fault = ({ kind }) => {
      if (kind === 'write') writesAtMs.push(performance.now())
      return null
    }
    const { account, dead } = await storm.blow()
    expect(dead).toEqual([])
    expect(account).toMatchObject({ undelivered: [], unaccounted: [], lost: [], received: RESPONSES })
    expect(account.duplicates).toEqual(new Map())
    expect(rowsOf(google)).toHaveLength(RESPONSES)
    expect(google.count('token') + google.count('read')).toBeLessThan(CALLS_MAX)
    expect(google.count('write')).toBeLessThan(CALLS_MAX)
    // Nobody writes faster than at the pace that is set, and the one nobody sets is within what Google allows.
    const spanMs = (writesAtMs.at(-1) ?? 0) - (writesAtMs[0] ?? 0)
    expect(spanMs).toBeGreaterThan(((writesAtMs.length - 2) * 60_000) / QUICK_PER_MINUTE)
    expect(manifest.config.properties.writesPerMinute.default).toBeLessThan(CALLS_MAX)

    const { hub } = storm
    const runs = await hub.api('GET', '/api/v2/runs?limit=200')
    const deliveries = await hub.api('GET', '/api/v2/deliveries?limit=5')
    const installation = await hub.api('GET', '/api/v2/installations/sheet')
    const told = [
      JSON.stringify(hub.logs),
      hub.stderr,
      hub.stdout.join('\n'),
      runs.text,
      deliveries.text,
      installation.text,
    ]
    const left = [...told, ...filesIn(hub.dataDir)]
    for (const secret of [...google.tokens.all(), google.keyFile['private_key']!.split('\n')[5]!])
      expect(left.filter((text) => text.includes(secret))).toEqual([])
  },
)

test(
  'a form that was there before: a backfill brings all of it, shows how far it is, and doubles nothing',
  { timeout: 300_000 },
  async () => {
    await using google = await startFakeSheets({ quota: null })
    const spec = { ...sheet(google, { writesPerMinute: 1_200 }), paused: true }
    await using storm = await openStorm({ installation: spec, responses: 1_000, killEveryMs: null })
    keepBook(google, storm)
    const { hub } = storm
    await hub.api('POST', '/api/v2/installations/sheet/resume')
    await storm.blow()
    expect(rowsOf(google)).toHaveLength(1_000)

    const again = await hub.api<{ events: number }>('POST', '/api/v2/installations/sheet/backfill', {
      from: 'beginning',
    })
    expect(again.status).toBeLessThan(300)
    expect(again.body.events).toBeGreaterThanOrEqual(1_000)
    const progress = await until(
      'the backfill to be through',
      async () =>
        (await hub.api<{ lag: number; deliveries: Record<string, number> }>('GET', '/api/v2/installations/sheet')).body,
      { timeoutMs: 60_000, accept: ({ lag }) => lag === 0 },
    )
    expect(progress.deliveries).toMatchObject({ pending: 0, retrying: 0, delivered: 1_000 })
    expect(rowsOf(google)).toHaveLength(1_000)
  },
)

/** Everything in the folder, as text that keeps each byte. */
function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'latin1'))
}

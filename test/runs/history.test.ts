/** Which runs the history keeps under load, how many more it counts, and that nothing waits for it. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { RunRecord } from '../../core/model.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { createRunHistory } from '../../core/runs/history.ts'
import type { RunHistory } from '../../core/runs/history.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import type { ManualClock } from '../../core/testing/manual-clock.ts'
import { tempDir } from '../support/temp.ts'
import type { TempDir } from '../support/temp.ts'
import { INSTALLATION, runEnd } from './run-end.ts'

const FAILURE = { code: 'plugin_threw', error: 'no (index.ts:1:2)' }
const said: { readonly level: string; readonly fields: object; readonly message: string }[] = []
const say = (level: string) => (fields: object, message: string) => void said.push({ level, fields, message })
const logger: Logger = {
  debug: say('debug'),
  info: say('info'),
  warn: say('warn'),
  error: say('error'),
  child: () => logger,
}

let dir: TempDir
let store: Store
let clock: ManualClock
let history: RunHistory
/** What writing is refused with. */
let refusal: HubError | null
/** Called as often as something is written. */
let writes: () => void

beforeEach(async () => {
  refusal = null
  writes = () => {}
  dir = await tempDir('runs')
  clock = createManualClock(Date.parse('2026-03-01T10:00:00.000Z'))
  store = await openSqliteStore({
    dir: dir.path,
    limits: LIMITS,
    logger,
    onFatal: (error) => {
      throw error
    },
  })
  said.length = 0
  const appendRuns: Store['appendRuns'] = (entries) => {
    writes()
    return refusal === null ? store.appendRuns(entries) : Promise.reject(refusal)
  }
  history = createRunHistory({ store: { appendRuns }, clock, logger, limits: LIMITS })
})
afterEach(async () => {
  await store.close()
  await dir[Symbol.asyncDispose]()
})

/** Everything on disk. */
async function stored(): Promise<readonly RunRecord[]> {
  await history.written()
  const runs: RunRecord[] = []
  let after: string | undefined
  do {
    const page = await store.listRuns('default', { limit: 200, after })
    runs.push(...page.items)
    after = page.next ?? undefined
  } while (after !== undefined)
  return runs
}
const countOf = (runs: readonly RunRecord[]): number => runs.reduce((sum, { more }) => sum + 1 + more, 0)
const times = (count: number, record: () => void): void => {
  for (let n = 0; n < count; n++) record()
}

test('while little happens every run is recorded', async () => {
  times(60, () => {
    history.record(runEnd())
    clock.moveTo(clock.nowMs() + 500)
  })
  const runs = await stored()
  expect([runs.length, countOf(runs)]).toEqual([60, 60])
})

test('of 2,000 runs in a burst a bounded number is recorded, and the rest is counted', async () => {
  times(2_000, () => history.record(runEnd()))
  const runs = await stored()
  expect([runs.length, countOf(runs)]).toEqual([LIMITS.runsOkBurst, 2_000])
  expect(runs.map(({ more }) => more).filter((more) => more > 0)).toEqual([2_000 - LIMITS.runsOkBurst])
})

test('after the burst so many a second are recorded, and each counts those that followed it', async () => {
  times(LIMITS.runsOkBurst, () => history.record(runEnd()))
  times(10_000, () => {
    clock.moveTo(clock.nowMs() + 1)
    history.record(runEnd())
  })
  const runs = await stored()
  expect([runs.length, countOf(runs)]).toEqual([
    LIMITS.runsOkBurst + 10 * LIMITS.runsOkPerSecond,
    LIMITS.runsOkBurst + 10_000,
  ])
})

test('of failed runs more are recorded, but not without bound', async () => {
  times(500, () => history.record(runEnd()))
  times(LIMITS.runsFailedBurst + 50, () => history.record(runEnd({ failure: FAILURE })))
  times(10_000, () => {
    clock.moveTo(clock.nowMs() + 1)
    history.record(runEnd({ failure: FAILURE }))
  })
  const failed = (await stored()).filter(({ outcome }) => outcome === 'failed')
  expect([failed.length, countOf(failed)]).toEqual([
    LIMITS.runsFailedBurst + 10 * LIMITS.runsFailedPerSecond,
    LIMITS.runsFailedBurst + 50 + 10_000,
  ])
})

test('the first of each kind, name and outcome is recorded however many others there are; neighbours have their own share', async () => {
  times(5_000, () => history.record(runEnd()))
  history.record(runEnd({ kind: 'action', name: 'post' }))
  history.record(runEnd({ kind: 'route', name: 'GET /fine' }))
  history.record(runEnd({ failure: FAILURE }))
  const neighbour = { ...INSTALLATION, id: 'other', key: 'default/other' }
  times(3, () => history.record(runEnd({ installation: neighbour })))
  const runs = await stored()
  expect(runs.filter(({ installation }) => installation === 'other')).toHaveLength(3)
  expect(
    runs
      .map(({ kind, outcome }) => `${kind} ${outcome}`)
      .filter((what, n, all) => all.indexOf(what) === n)
      .toSorted(),
  ).toEqual(['action ok', 'handler failed', 'handler ok', 'route ok'])
  expect(countOf(runs)).toBe(5_006)
})

test('a run of a large batch counts for as many as it costs', async () => {
  const [item] = runEnd().items
  const items = Array.from({ length: 200 }, () => ({
    ...(item as NonNullable<typeof item>),
    outcome: 'delivered' as const,
  }))
  times(50, () => history.record(runEnd({ kind: 'action', name: 'post', items })))
  const runs = await stored()
  expect([runs.length, countOf(runs)]).toEqual([1, 50])
  expect(runs[0]?.items).toHaveLength(200)
})

test('what cannot be written yet waits, up to its limit, and is written when the disk is free again', async () => {
  refusal = new HubError('storage_full', 'full')
  const names = Array.from({ length: LIMITS.runsWaitingMax + 100 }, (_, n) => `route ${n}`)
  for (const name of names) history.record(runEnd({ kind: 'route', name }))
  await history.written()
  expect(await store.listRuns('default', { limit: 1 })).toMatchObject({ items: [] })
  refusal = null
  const runs = await store.listRuns('default', { limit: 1 }).then(() => stored())
  // More than are kept of one installation came through; the newest of them are there.
  expect(runs).toHaveLength(LIMITS.runsKeptPerInstallation)
  expect(runs[0]?.name).toBe(`route ${LIMITS.runsWaitingMax - 1}`)
})

test('entries that can never be written do not keep those behind them', async () => {
  refusal = new HubError('internal', 'no')
  history.record(runEnd({ name: 'bad' }))
  await history.written()
  refusal = null
  history.record(runEnd({ name: 'good' }))
  expect((await stored()).map(({ name }) => name)).toEqual(['good'])
  expect(said.filter(({ level }) => level === 'error')).toHaveLength(1)
})

test('writes by itself within a second, without being asked', async () => {
  history.record(runEnd())
  clock.moveTo(clock.nowMs() + 1_000)
  await expect
    .poll(async () => (await store.listRuns('default', { limit: 9 })).items.length, { timeout: 20_000 })
    .toBe(1)
})

test('whoever reads waits for what was told before, however much is told meanwhile', async () => {
  let written = 0
  writes = () => {
    written += 1
    if (written < 1_000) times(50, () => history.record(runEnd({ kind: 'route', name: `${written}` })))
  }
  const [first, second] = [runEnd(), runEnd()]
  history.record(first)
  const reading = history.written()
  history.record(second)
  await Promise.all([reading, history.written()])
  for (const { id } of [first, second]) expect(await store.getRun('default', id)).toBeDefined()
  expect(written).toBeLessThan(10)
})

test("the hub's log tells lines and failures with the id of the run", () => {
  const { result } = runEnd()
  const logs = [{ level: 'info', message: 'hello' }] as const
  const end = runEnd({ result: { ...(result as NonNullable<typeof result>), logs }, failure: FAILURE })
  history.record(end)
  expect(said).toMatchObject([
    { level: 'info', message: 'hello', fields: { installation: 'crm', plugin: 'double', run: end.id } },
    { level: 'warn', fields: { run: end.id, code: FAILURE.code, error: FAILURE.error } },
  ])
})

test('whoever writes a transform is told where a response is that it put aside; nobody else is', async () => {
  const aside = (outcome: 'kept' | 'flagged' | 'rejected') => {
    const item = { eventId: null, deliveryId: null, formId: 'contact', responseId: `rsp_${outcome}`, outcome }
    return runEnd({ kind: 'transform', name: 'contact', items: [item] })
  }
  const watched = createRunHistory({
    store,
    clock,
    logger,
    limits: LIMITS,
    watch: { withheldFrom: async () => [] },
  })
  for (const outcome of ['kept', 'flagged', 'rejected'] as const) {
    watched.record(aside(outcome))
    history.record(aside(outcome))
  }
  expect(said.map(({ level, message }) => `${level} ${message}`)).toEqual(
    ['flagged', 'rejected'].map(
      (outcome) => `info a response was ${outcome} and is in quarantine: manifold quarantine show rsp_${outcome}`,
    ),
  )
  await watched.written()
})

/**
 * SIGKILL at any moment under load, with responses and batches of behaviour events: what analytics counts is what was sent, each
 * once, after every single kill. By default the suite has time for two; a hundred take about fourteen minutes on two cores:
 *
 *   MANIFOLD_FAULT_KILLS=100 npm test -- test/faults/33-analytics-kill.test.ts
 */
import { expect, test } from 'vitest'
import { isConversion, openEventClient, VALUE } from '../support/event-client.ts'
import type { Hub } from '../support/hub.ts'
import { openLedger } from '../support/ledger.ts'
import { storedKeys } from '../support/pages.ts'
import { DECK, openScene } from '../support/scene.ts'
import { tempDir } from '../support/temp.ts'
import { sleep, until } from '../support/wait.ts'

const ROUNDS = Number(process.env['MANIFOLD_FAULT_KILLS'] ?? 2)
const KILL_AFTER_MS_MAX = 700
/** All keys are looked at in one answer, which holds 10,000 rows. */
const PER_SECOND = Math.min(200, Math.floor(20_000_000 / (ROUNDS * KILL_AFTER_MS_MAX)))

test(
  `analytics after kill -9 under load, ${ROUNDS} rounds: totals are the ledgers' each time`,
  { timeout: ROUNDS * 20_000 + 60_000 },
  async () => {
    await using dir = await tempDir('analytics-kill')
    using told = openLedger(dir.file('events'))
    await using scene = await openScene({
      beside: [{ id: 'analytics', use: 'analytics' }],
      driver: { perSecond: PER_SECOND, timeoutMs: 2_000 },
    })
    const { hub, ledger, driver } = scene
    await using visitors = openEventClient({
      url: () => hub.url,
      adminKey: hub.adminKey,
      ledger: told,
      batchesPerSecond: PER_SECOND / 3,
      timeoutMs: 2_000,
    })
    await namesIn(hub, DECK, 'key')
    for (let round = 0; round < ROUNDS; round += 1) {
      driver.start()
      visitors.start()
      await sleep(Math.random() * KILL_AFTER_MS_MAX)
      await hub.kill('SIGKILL')
      await Promise.all([driver.stop(), visitors.stop()])
      await hub.restart()
      const keys = await namesIn(hub, DECK, 'key')
      const { lost, invented, storedTwice, acknowledged } = ledger.account(keys)
      expect([round, lost, invented, storedTwice]).toEqual([round, [], [], []])
      expect(keys.length).toBeGreaterThanOrEqual(acknowledged)
      expect(await completed(hub)).toBe(keys.length)
      const ids = await namesIn(hub, 'events', 'event_id')
      const events = told.account(ids)
      expect([round, events.lost, events.invented, events.storedTwice]).toEqual([round, [], [], []])
      expect(ids.length).toBeGreaterThanOrEqual(events.acknowledged)
      expect(await activity(hub)).toEqual(totalsOf(ids))
    }
    await Promise.all([driver.resendOpen(), visitors.resendOpen()])
    const keys = await namesIn(hub, DECK, 'key')
    expect(keys.toSorted()).toEqual((await storedKeys(hub, DECK)).toSorted())
    const account = ledger.account(keys)
    expect([account.acknowledged, keys.length]).toEqual([account.sent, account.sent])
    expect(account.sent).toBeGreaterThan(ROUNDS)
    const ids = await namesIn(hub, 'events', 'event_id')
    const events = told.account(ids)
    expect([events.acknowledged, ids.length, events.storedTwice]).toEqual([events.sent, events.sent, []])
    expect(await activity(hub)).toEqual(totalsOf(ids))
    expect([events.sent, totalsOf(ids).conversions].every((many) => many > ROUNDS)).toBe(true)
  },
)

/** As the engine has them, a row each. */
async function namesIn(hub: Hub, view: string, column: string): Promise<readonly string[]> {
  const sql = { sql: `SELECT ${column} FROM ${view}`, limit: 10_000 }
  const ask = () => hub.api<{ rows: [string][]; meta: { has_more: boolean } }>('POST', '/api/v2/analytics/sql', sql)
  // Before the first answer there is no such view; while the log is read, no answer.
  const { status, body } = await until('analytics to answer', ask, { accept: (answer) => answer.status < 500 })
  if (status !== 200) return []
  expect(body.meta.has_more).toBe(false)
  return body.rows.map(([name]) => name)
}

/** As the counts in memory have it. */
async function completed(hub: Hub): Promise<number> {
  const ask = () =>
    hub.api<{ totals: { completed: number } }>('GET', `/api/v2/analytics/forms/${DECK}/metrics`, undefined)
  const { status, body } = await until('numbers to be answered', ask, { accept: (told) => told.status < 500 })
  return status === 200 ? body.totals.completed : 0
}

interface Totals {
  readonly events: number
  readonly conversions: number
  readonly value: number
}

const totalsOf = (ids: readonly string[]): Totals => {
  const conversions = ids.filter(isConversion).length
  return { events: ids.length, conversions, value: conversions * VALUE }
}

/** As questions have it. */
async function activity(hub: Hub): Promise<Totals> {
  const { body } = await hub.api<{ totals: Totals }>('GET', '/api/v2/analytics/activity')
  const sum = {
    data_set: 'conversions',
    aggregates: { value: { fn: 'sum', field: 'value' } },
    filter: { currency: 'EUR' },
  }
  const { body: asked } = await hub.api<{ items: { value: number | null }[] }>('POST', '/api/v2/analytics/query', sum)
  const { events, conversions } = body.totals
  return { events, conversions, value: asked.items[0]?.value ?? 0 }
}

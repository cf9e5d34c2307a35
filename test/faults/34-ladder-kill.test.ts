/** SIGKILL while counts move along the ladder: no total changes, whatever moment it is. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { rfc3339 } from '../../core/clock.ts'
import { newId } from '../../core/ids.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openPostgresStore } from '../../core/storage/postgres/open.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { freshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import { sleep } from '../support/wait.ts'

const DAY_MS = 86_400_000
const KILL_AFTER_MS_MAX = 400
const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

interface Place extends AsyncDisposable {
  /** What the program is told. */
  readonly name: string
  open(): Promise<Store>
}

const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  sqlite: async () => {
    const dir = await tempDir('ladder-kill')
    const data = dir.file('data')
    return {
      name: data,
      open: () => openSqliteStore({ dir: data, limits: LIMITS, logger: silent, onFatal: () => {} }),
      [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
    }
  },
  postgres: async () => {
    const { url, ...database } = await freshDatabase()
    return {
      name: url,
      open: () => openPostgresStore({ url, connectionsMax: 2, limits: LIMITS, logger: silent }),
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    }
  },
}
const PROGRAM = fileURLToPath(new URL('ladder-upkeep.ts', import.meta.url))

test.each([
  ['sqlite', 6, 12_000],
  // A round trip a statement: fewer keep the time short.
  ['postgres', 4, 4_000],
] as const)(
  '%s: kill -9 during upkeep, %d rounds: as many events are counted or there as were sent',
  { timeout: 120_000 },
  async (kind, rounds, sent) => {
    await using place = await (PLACES[kind] as () => Promise<Place>)()
    const startMs = Date.parse('2026-01-01T00:00:00.000Z')
    let store = await place.open()
    for (let n = 0; n < sent; n += 1_000)
      await store.track(
        Array.from({ length: 1_000 }, (_, k) => ({
          workspace: 'default',
          id: newId('event'),
          type: (n + k) % 10 === 0 ? 'track.conversion' : 'track.click',
          at: rfc3339(startMs + (n + k) * 60_000),
          formId: null,
          clientId: null,
          data: JSON.stringify({ name: 'click', user_id: `u-${k}`, value: 2.5, currency: 'EUR' }),
          meta: '{}',
        })),
      )
    const seen = new Set<string>()
    for (let round = 0; round <= rounds; round++) {
      await store.close()
      const upkeep = spawn(process.execPath, [PROGRAM, place.name, String(startMs + 12 * DAY_MS)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const ended = new Promise<number | null>((resolve) => upkeep.once('exit', resolve))
      await new Promise((resolve) => upkeep.stdout.once('data', resolve))
      if (round < rounds) {
        await sleep(Math.random() * KILL_AFTER_MS_MAX)
        upkeep.kill('SIGKILL')
      }
      const code = await ended
      store = await place.open()
      const [counted, there] = [await countedIn(store), await thereIn(store)]
      expect([round, counted.events + there.events, counted.value + there.value]).toEqual([round, sent, sent / 4])
      seen.add(
        `${counted.events} ${(await store.ladderHeld('default')).map(({ rung, rows }) => `${rung} ${rows}`).join()}`,
      )
      if (round === rounds) expect([code, counted.events]).toEqual([0, sent])
    }
    await store.close()
    expect(seen.size).toBeGreaterThan(1)
  },
)

/** How many, and what the conversions among them were worth. */
interface Sum {
  readonly events: number
  readonly value: number
}

async function countedIn(store: Store): Promise<Sum> {
  const { rows } = await store.readLadder({ workspace: 'default', fromMs: 0, toMs: 9e12 })
  return rows.reduce(
    (sum, { events, worth }) => ({ events: sum.events + events, value: sum.value + (worth?.['EUR']?.[1] ?? 0) }),
    { events: 0, value: 0 },
  )
}

async function thereIn(store: Store): Promise<Sum> {
  let [there, value, afterSeq] = [0, 0, 0]
  for (;;) {
    const events = await store.readEvents({ workspace: 'default', afterSeq, limit: 5_000 })
    const last = events.at(-1)
    if (last === undefined) return { events: there, value }
    const kept = events.filter(({ type, data }) => type.startsWith('track.') && data !== null)
    there += kept.length
    value += kept.filter(({ type }) => type === 'track.conversion').length * 2.5
    afterSeq = last.seq
  }
}

/** Trips the limits of transforms and of the quarantine. */
import { expect } from 'vitest'
import { tidy } from '../../../core/announce.ts'
import { LIMITS } from '../../../core/limits.ts'
import type { Logger } from '../../../core/observe/observe.ts'
import { openSqliteStore } from '../../../core/storage/sqlite/open.ts'
import { submission } from '../../contract/store/fixtures.ts'
import { startHub } from '../../support/hub.ts'
import { allItems } from '../../support/pages.ts'
import { DECK, sceneConfig } from '../../support/scene.ts'
import { tempDir } from '../../support/temp.ts'
import { until } from '../../support/wait.ts'
import { ceiling } from './plugins.ts'
import { PATH } from './world.ts'
import type { LimitCases } from './world.ts'

const PLUGINS = new URL('../../fixtures/flow-plugins', import.meta.url).pathname

/** Each run is in the history, however many there are. */
const ALL_RUNS = { runsFailedBurst: 10_000, runsFailedPerSecond: 1_000 }

interface FailedRun {
  readonly installation: string
  readonly error_code: string
  readonly error: string
}

/** The failed runs of transforms at these answers, which were all stored in spite of them; by installation. */
async function failuresAt(
  rows: readonly string[],
  { how, count = 1, limits = {} }: { how: string; count?: number; limits?: Readonly<Record<string, number>> },
): Promise<readonly { readonly code: string; readonly error: string }[]> {
  const installations = Array.from({ length: count }, (_, n) => ({ id: `t${n}`, use: 'judge', with: { how } }))
  const config = sceneConfig({ installations, pluginDirs: [PLUGINS], limits: { ...ALL_RUNS, ...limits } })
  await using hub = await startHub({ config })
  const bodies = rows.map((text) => ({ data: { key: 'x', text } }))
  const answer =
    bodies.length === 1 ? await hub.api('POST', PATH, bodies[0]) : await hub.api('POST', `${PATH}/batch`, bodies)
  expect(answer.status, answer.text).toBeLessThan(300)
  const { body } = await hub.api<{ items: { meta: object }[] }>('GET', `/api/v2/forms/${DECK}/responses?limit=200`)
  const marks = installations.map(({ id }) => id)
  expect(body.items.map(({ meta }) => meta)).toEqual(
    rows.map(() => expect.objectContaining({ transform_failed: marks })),
  )
  const all = rows.length * count
  const runs = await until('every run to be told', () => allItems<FailedRun>(hub, '/api/v2/runs?kind=transform'), {
    timeoutMs: 30_000,
    accept: ({ length }) => length >= all,
  })
  expect(await hub.metric('manifold_transforms_total', { outcome: 'failed' })).toBe(all)
  // The hub's log told each installation's first failure of a kind, whatever came after it.
  expect(hub.logs.filter(({ msg }) => msg === 'a transform failed').map((line) => line['installation'])).toEqual(marks)
  return runs
    .toSorted((one, other) => one.installation.localeCompare(other.installation))
    .map(({ error_code: code, error }) => ({ code, error }))
}

export const transforms: LimitCases<
  | 'pluginTransformWallMs'
  | 'pluginTransformWallMsCeiling'
  | 'pluginTransformCpuMs'
  | 'transformChainMsMax'
  | 'transformBatchMsMax'
  | 'quarantineKeepMs'
> = {
  pluginTransformWallMs: async () => {
    expect(await failuresAt(['wait'], { how: 'waits' })).toEqual([
      { code: 'plugin_wall', error: expect.stringContaining(`${LIMITS.pluginTransformWallMs} ms`) },
    ])
  },
  pluginTransformWallMsCeiling: ceiling('transformWallMs', LIMITS.pluginTransformWallMsCeiling),
  pluginTransformCpuMs: async () => {
    const limits = { pluginTransformWallMs: LIMITS.pluginTransformWallMsCeiling, transformChainMsMax: 10_000 }
    expect(await failuresAt(['burn'], { how: 'burns', limits })).toMatchObject([{ code: 'plugin_cpu' }])
  },
  transformChainMsMax: async () => {
    const limits = { pluginTransformWallMs: LIMITS.pluginTransformWallMsCeiling, transformChainMsMax: 200 }
    expect(await failuresAt(['wait'], { how: 'waits', count: 3, limits })).toEqual([
      { code: 'plugin_wall', error: expect.stringMatching(/not over after \d+ ms/) },
      { code: 'plugin_wall', error: expect.stringContaining('took all the time') },
      { code: 'plugin_wall', error: expect.stringContaining('took all the time') },
    ])
  },
  transformBatchMsMax: async () => {
    const rows = Array.from({ length: 60 }, () => 'wait')
    const failures = await failuresAt(rows, { how: 'waits', limits: { transformBatchMsMax: 100 } })
    expect(failures).toHaveLength(rows.length)
    expect(failures.filter(({ error }) => error.includes('took all the time'))).toHaveLength(10)
  },
  quarantineKeepMs: async () => {
    await using dir = await tempDir('keep')
    const said: object[] = []
    const nothing = (): void => {}
    const warn = (fields: object) => void said.push(fields)
    const logger: Logger = { debug: nothing, info: nothing, warn, error: nothing, child: () => logger }
    const store = await openSqliteStore({ dir: dir.path, limits: LIMITS, logger, onFatal: nothing })
    const nowMs = Date.now()
    const put = (ageMs: number) => {
      const aside = { verdict: 'flagged', code: 'flagged', message: null, installation: 'x', plugin: 'x' } as const
      const at = new Date(nowMs - ageMs).toISOString()
      return { ...submission({ at }), aside: { ...aside, eventId: `evt_${ageMs}` } }
    }
    const rows = [put(LIMITS.quarantineKeepMs - 1), put(LIMITS.quarantineKeepMs + 1)]
    await store.accept(rows)
    const idle = {
      collector: { expire: async () => 0 },
      hooks: { tellStopped: () => Promise.resolve(0), purge: async () => 0 },
    }
    await tidy({ ...idle, store, clock: { nowMs: () => nowMs }, limits: LIMITS, logger })
    const { items } = await store.listQuarantine('default', { limit: 9 })
    await store.close()
    expect(items.map(({ id }) => id)).toEqual([rows[0]?.responseId])
    expect(said).toMatchObject([{ dropped: 1 }])
  },
}

/** Who may read the files of a store: their owner, and nobody else. */
import { chmodSync, readdirSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openSqliteStore, restoreSqlite } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { event } from '../contract/store/fixtures.ts'
import { tempDir } from '../support/temp.ts'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

const open = (dir: string): Promise<Store> =>
  openSqliteStore({ dir, limits: LIMITS, logger: silent, onFatal: () => {} })

describe('files with answers in them', () => {
  const open600 = (paths: readonly string[]): readonly string[] =>
    paths.filter((path) => (statSync(path).mode & 0o777) !== 0o600)
  const all = (dir: string): string[] => readdirSync(dir).map((name) => `${dir}/${name}`)

  it("are their owner's only: database, WAL, shared memory, watermark, backup, and what a restore leaves", async () => {
    await using dir = await tempDir('storage')
    const data = dir.file('data')
    const store = await open(data)
    await store.appendEvents('default', [event()])
    const running = all(data)
    expect(running.map((path) => path.split('/').at(-1)).toSorted()).toEqual([
      'manifold.db',
      'manifold.db-shm',
      'manifold.db-wal',
      'watermark',
    ])
    expect(open600(running)).toEqual([])
    await store.backup(dir.file('copy.db'))
    await store.close()
    expect(open600([dir.file('copy.db')])).toEqual([])
    // A backup that came back over other roads, and a database from before: both are closed on the way.
    chmodSync(dir.file('copy.db'), 0o644)
    chmodSync(`${data}/manifold.db`, 0o644)
    const { keptAs } = await restoreSqlite({ backupFile: dir.file('copy.db'), dir: data })
    expect(open600([`${data}/manifold.db`, keptAs ?? ''])).toEqual([])
  })

  it('that others could read are closed to them by the next start', async () => {
    await using dir = await tempDir('storage')
    await (await open(dir.path)).close()
    chmodSync(dir.file('manifold.db'), 0o644)
    const store = await open(dir.path)
    expect(open600(all(dir.path))).toEqual([])
    await store.close()
  })
})

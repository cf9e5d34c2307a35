/** The side that a move has left: whoever went on with it would collect what nobody ever sees. */
import { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { MoveTarget } from '../../core/storage/move/port.ts'
import { openPostgresSource, openPostgresTarget } from '../../core/storage/postgres/move-ports.ts'
import { postgresOperations } from '../../core/storage/postgres/operations.ts'
import { openSqliteSource, openSqliteTarget } from '../../core/storage/sqlite/move-ports.ts'
import { sqliteOperations } from '../../core/storage/sqlite/operations.ts'
import { fillFolder, silent, SMALL } from '../support/full-store.ts'
import { openPostgres, openSqlite, runMove } from '../support/moves.ts'
import { freshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import type { TempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

let temp: TempDir
beforeAll(async () => {
  temp = await tempDir('move-left')
})
afterAll(() => temp[Symbol.asyncDispose]())

it('is opened by no hub and is no source again, until it is reclaimed', async () => {
  await using database = await freshDatabase()
  await using other = await freshDatabase()
  const dir = temp.file('left')
  await fillFolder(dir, SMALL)
  await runMove(await openSqliteSource(dir), await openPostgresTarget(database.url))
  const left = {
    code: 'storage_failed',
    message: expect.stringMatching(/was moved to Postgres \(.*reclaim/) as string,
  }
  await expect(openSqlite(dir)).rejects.toMatchObject(left)
  await expect(runMove(await openSqliteSource(dir), await openPostgresTarget(other.url))).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('was moved to Postgres') as string,
  })
  await (await openPostgres(database)).close()

  const back = temp.file('left-back')
  await runMove(await openPostgresSource(database.url), openSqliteTarget(back))
  await expect(openPostgres(database)).rejects.toMatchObject({
    code: 'storage_failed',
    message: expect.stringContaining(`was moved to SQLite (${back})`) as string,
  })
  await (await openSqlite(back)).close()
  for (const operations of [sqliteOperations(dir, silent), postgresOperations(database.url, silent)]) {
    expect((await operations.findings()).filter(({ level }) => level === 'fail')).toMatchObject([
      { detail: expect.stringContaining('it was moved to') as string },
    ])
    await operations.reclaim()
    expect((await operations.findings()).filter(({ level }) => level === 'fail')).toEqual([])
    expect(await operations.departure()).toBeNull()
  }
  await (await openSqlite(dir)).close()
  await (await openPostgres(database)).close()
})

it('is closed before the other one opens, and a move that was cut off between the two is finished', async () => {
  await using database = await freshDatabase()
  const dir = temp.file('cut-at-the-end')
  await fillFolder(dir, SMALL)
  const dies = (target: MoveTarget): MoveTarget => ({ ...target, release: () => Promise.reject(new Error('died')) })
  await expect(runMove(await openSqliteSource(dir), await openPostgresTarget(database.url), dies)).rejects.toThrow(
    'died',
  )
  await expect(openSqlite(dir)).rejects.toThrow('was moved to')
  await expect(openPostgres(database)).rejects.toThrow('not finished')
  const report = await runMove(await openSqliteSource(dir), await openPostgresTarget(database.url))
  expect([report.start, report.rowsWritten]).toEqual(['resumed', 0])
  await (await openPostgres(database)).close()
})

it('lets no hub in that was waiting for the end of the move', async () => {
  await using database = await freshDatabase()
  await (await openPostgres(database)).close()
  const source = await openPostgresSource(database.url)
  const waiting = openPostgres(database).catch((error: unknown) => error)
  await until('a hub to wait for the move', async () => {
    const client = new Client({ connectionString: database.url })
    await client.connect()
    const { rows } = await client.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    await client.end()
    return rows.length > 0
  })
  await source.leave({ id: 'move-2', to: 'elsewhere', at: '2026-01-01T00:00:00.000Z' })
  await source.close()
  expect(await waiting).toMatchObject({
    code: 'storage_failed',
    message: expect.stringContaining('was moved to elsewhere') as string,
  })
})

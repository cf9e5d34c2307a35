/** The SQLite store under damage, loss, a full disk and a rival writer; without a hub around it. */
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import type { HubError } from '../../core/errors.ts'
import { newId } from '../../core/ids.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Limits } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openReader, openWriter } from '../../core/storage/sqlite/connection.ts'
import { acceptLoss, migrationStatus, openSqliteStore, restoreSqlite } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { event, submission } from '../contract/store/fixtures.ts'
import { runRecord } from '../contract/store/runs.ts'
import { tempDir } from '../support/temp.ts'
import { mountTmpfs } from '../support/tmpfs.ts'
import { until } from '../support/wait.ts'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

interface Opened {
  readonly store: Store
  readonly fatals: Error[]
}

async function open(dir: string, limits: Partial<Limits> = {}): Promise<Opened> {
  const fatals: Error[] = []
  const onFatal = (error: Error) => void fatals.push(error)
  return { store: await openSqliteStore({ dir, limits: { ...LIMITS, ...limits }, logger: silent, onFatal }), fatals }
}

/** Opens, appends so many events, closes. */
async function fill(dir: string, events: number): Promise<void> {
  const { store } = await open(dir)
  for (let n = 0; n < events; n += 1) await store.appendEvents('default', [event()])
  await store.close()
}

const refusal = async (dir: string): Promise<HubError> => {
  const outcome = await open(dir).catch((error: unknown) => error as HubError)
  if ('store' in outcome) {
    await outcome.store.close()
    throw new Error('the store opened')
  }
  return outcome
}

const edit = (dir: string, sql: string): void => {
  const db = new Database(`${dir}/manifold.db`)
  db.exec(sql)
  db.close()
}

describe('durability settings', () => {
  it('are FULL and WAL on the writing connection, after a write', async () => {
    await using dir = await tempDir('storage')
    await fill(dir.path, 1)
    const { db } = openWriter(dir.file('manifold.db'), { busyTimeoutMs: 100, walBytesMax: 1_000_000 })
    db.exec('UPDATE log_head SET pings = pings + 1')
    expect(db.pragma('synchronous', { simple: true })).toBe(2)
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal')
    expect(db.pragma('wal_autocheckpoint', { simple: true })).toBe(0)
    db.close()
    const reader = openReader(dir.file('manifold.db'), { busyTimeoutMs: 100 })
    expect(() => reader.db.exec('UPDATE log_head SET pings = 0')).toThrow(/readonly/)
    reader.db.close()
  })

  it('migrates a new directory, says what is pending, and refuses a newer or a foreign database', async () => {
    await using dir = await tempDir('storage')
    const before = migrationStatus(dir.path)
    expect([before.current, before.pending[0], before.pending.length]).toEqual([
      0,
      expect.stringMatching(/^0001-/),
      before.latest,
    ])
    await fill(dir.path, 1)
    expect(migrationStatus(dir.path)).toEqual({ current: before.latest, latest: before.latest, pending: [] })
    edit(dir.path, "UPDATE meta SET value = '9999' WHERE name = 'schema_version'")
    const newer = await refusal(dir.path)
    expect(newer.code).toBe('storage_failed')
    expect(newer.message).toMatch(/schema 9999.*newer Manifold/)
    await using other = await tempDir('storage')
    edit(other.path, 'CREATE TABLE cats (name TEXT)')
    expect((await refusal(other.path)).message).toMatch(/another program/)
  })
})

describe('a damaged or old database', () => {
  it('with a hole in the log refuses to open and names it; accepting the loss lets it go on', async () => {
    await using dir = await tempDir('storage')
    await fill(dir.path, 20)
    edit(dir.path, 'DELETE FROM events WHERE seq IN (1, 5, 6, 7, 12)')
    const error = await refusal(dir.path)
    expect(error.code).toBe('storage_failed')
    expect(error.message).toMatch(/events 1, 5 to 7, 12 .*manifold db restore FILE.*manifold db accept-loss/)
    expect(acceptLoss(dir.path)).toEqual([
      { from: 1, to: 1 },
      { from: 5, to: 7 },
      { from: 12, to: 12 },
    ])
    const { store } = await open(dir.path)
    expect((await store.appendEvents('default', [event()]))[0]?.seq).toBe(21)
    await store.close()
    edit(dir.path, 'DELETE FROM events WHERE seq IN (4, 8, 12, 13)')
    expect((await refusal(dir.path)).message).toMatch(/events 4, 8, 13 were/)
  })

  it('that lost its tail is noticed by the watermark, and no sequence is given out twice', async () => {
    await using dir = await tempDir('storage')
    await fill(dir.path, 10)
    const old = readFileSync(dir.file('manifold.db'))
    await fill(dir.path, 5)
    writeFileSync(dir.file('manifold.db'), old)
    const error = await refusal(dir.path)
    expect(error.message).toMatch(/events 11 to 15 were committed and are missing/)
    expect(acceptLoss(dir.path)).toEqual([{ from: 11, to: 15 }])
    const { store } = await open(dir.path)
    expect((await store.appendEvents('default', [event()]))[0]?.seq).toBe(16)
    await store.close()
    expect(acceptLoss(dir.path)).toEqual([])
  })

  it('whose WAL was cut after a crash refuses to open', async () => {
    await using dir = await tempDir('storage')
    const { store } = await open(dir.path)
    for (let n = 0; n < 40; n += 1) await store.appendEvents('default', [event()])
    // A copy of the files as a crash would leave them, with the WAL damaged in its middle.
    await using crashed = await tempDir('storage')
    for (const name of ['manifold.db', 'manifold.db-wal', 'watermark'])
      writeFileSync(crashed.file(name), readFileSync(dir.file(name)))
    await store.close()
    const wal = readFileSync(crashed.file('manifold.db-wal'))
    wal.fill(0x5a, Math.floor(wal.length * 0.6), Math.floor(wal.length * 0.6) + 200)
    writeFileSync(crashed.file('manifold.db-wal'), wal)
    expect((await refusal(crashed.path)).message).toMatch(/events \d+ to 40 were committed and are missing/)
  })

  it('with a zeroed or foreign file says so', async () => {
    await using dir = await tempDir('storage')
    await fill(dir.path, 3)
    const file = readFileSync(dir.file('manifold.db'))
    writeFileSync(dir.file('manifold.db'), Buffer.concat([Buffer.alloc(100, 1), file.subarray(100)]))
    const error = await refusal(dir.path)
    expect(error.code).toBe('storage_failed')
    expect(error.message).toMatch(/manifold\.db is damaged.*manifold db restore FILE/)
  })

  it('opens without its watermark or with a garbled one, and writes it anew', async () => {
    await using dir = await tempDir('storage')
    await fill(dir.path, 3)
    writeFileSync(dir.file('watermark'), 'what is this, and why is it so long')
    await fill(dir.path, 1)
    expect(readFileSync(dir.file('watermark'), 'latin1')).toBe('00000000000000000004\n')
  })
})

describe('restore', () => {
  it('keeps the replaced file, resets the watermark, and takes a backup older than what it replaces', async () => {
    await using dir = await tempDir('storage')
    const first = await open(dir.path)
    await first.store.accept([submission(), submission()])
    await first.store.backup(dir.file('copy.db'))
    expect(existsSync(dir.file('copy.db.partial'))).toBe(false)
    await first.store.accept([submission()])
    await expect(restoreSqlite({ backupFile: dir.file('copy.db'), dir: dir.path })).rejects.toMatchObject({
      code: 'storage_busy',
    })
    await first.store.close()
    const restored = await restoreSqlite({ backupFile: dir.file('copy.db'), dir: dir.path })
    expect(restored).toMatchObject({ events: 2, responses: 2 })
    expect(existsSync(restored.keptAs ?? '')).toBe(true)
    const { store } = await open(dir.path)
    expect(await store.headSeq()).toBe(2)
    await store.close()
    expect(readdirSync(dir.path).filter((name) => name.includes('restoring'))).toEqual([])
  })

  it('refuses a damaged, incomplete or foreign backup and leaves the database alone', async () => {
    await using dir = await tempDir('storage')
    const { store } = await open(dir.path)
    await store.accept(Array.from({ length: 200 }, () => submission()))
    await store.backup(dir.file('copy.db'))
    await store.close()
    const bytes = readFileSync(dir.file('copy.db'))
    writeFileSync(dir.file('garbled.db'), Buffer.from(bytes).fill(0x5a, 40_960, 61_440))
    writeFileSync(
      dir.file('text.db'),
      'not a database at all, only text that is long enough to be read as one'.repeat(20),
    )
    writeFileSync(dir.file('cut.db'), bytes)
    truncateSync(dir.file('cut.db'), 65_536)
    const hole = new Database(dir.file('copy.db'))
    hole.exec('DELETE FROM events WHERE seq = 7')
    hole.close()
    for (const name of ['garbled.db', 'text.db', 'cut.db', 'copy.db', 'none.db']) {
      const error = await restoreSqlite({ backupFile: dir.file(name), dir: dir.path }).catch(
        (caught: unknown) => caught,
      )
      expect([name, error]).toEqual([
        name,
        expect.objectContaining({ name: 'HubError', message: expect.stringMatching(/damaged|readable|no file/) }),
      ])
    }
    const again = await open(dir.path)
    expect(await again.store.countResponses('default')).toBe(200)
    await again.store.close()
  })

  it('leaves no half backup when it cannot be written', async () => {
    await using dir = await tempDir('storage')
    const { store } = await open(dir.path)
    await expect(store.backup(dir.file('no/such/place.db'))).rejects.toMatchObject({ code: 'unavailable' })
    await store.close()
  })
})

describe('a rival writer', () => {
  it('makes calls wait no longer than the busy timeout, then storage_busy; later calls succeed', async () => {
    await using dir = await tempDir('storage')
    const { store, fatals } = await open(dir.path, { sqliteBusyTimeoutMs: 150 })
    const rival = new Database(dir.file('manifold.db'))
    rival.exec('BEGIN IMMEDIATE')
    const calls = await Promise.allSettled([store.accept([submission()]), store.appendEvents('default', [event()])])
    for (const call of calls)
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'storage_busy', retryable: true } })
    await expect(store.ping()).rejects.toMatchObject({ code: 'unavailable' })
    // Reads go on meanwhile.
    expect(await store.countResponses('default')).toBe(0)
    rival.exec('ROLLBACK')
    rival.close()
    expect((await store.accept([submission()]))[0]?.kind).toBe('stored')
    expect(await store.headSeq()).toBe(1)
    expect(fatals).toEqual([])
    await store.close()
  })
})

const canMount = process.getuid?.() === 0

// Only root can mount a small file system to fill up.
describe.runIf(canMount)('a full disk', () => {
  it('refuses new work first, keeps finishing old work, loses nothing, and recovers by itself', async () => {
    await using disk = await mountTmpfs(6 * 1_048_576)
    const { store, fatals } = await open(disk.path)
    const accepted: string[] = []
    const big = () => submission({ data: JSON.stringify({ text: 'x'.repeat(20_000) }) })
    await store.accept([submission()])
    await disk.fill(700_000)
    const refused = await until(
      'the disk to be full',
      async () => {
        const one = big()
        const outcome = await store.accept([one]).catch((error: unknown) => error as HubError)
        if (Array.isArray(outcome)) accepted.push(one.responseId)
        return outcome instanceof Error ? outcome : null
      },
      { everyMs: 5 },
    )
    expect(refused).toMatchObject({ code: 'storage_full', retryable: true })
    // The reserve is left for what was accepted before.
    expect((await store.appendEvents('default', [event()])).length).toBe(1)
    writeFileSync(`${disk.path}/rest`, Buffer.alloc((await disk.freeBytes()) - 8_192))
    const full = await until(
      'the reserve to be used up',
      () =>
        store.appendEvents('default', [event({ data: JSON.stringify('y'.repeat(30_000)) })]).then(
          () => null,
          (error: unknown) => error,
        ),
      { everyMs: 5 },
    )
    expect(full).toMatchObject({ code: 'storage_full' })
    await expect(store.ping()).rejects.toMatchObject({ code: 'unavailable' })
    for (const id of accepted) expect(await store.getResponse('default', id)).toBeDefined()
    await disk.free()
    rmSync(`${disk.path}/rest`)
    await until('space to be seen again', () =>
      store.accept([big()]).then(
        () => true,
        () => false,
      ),
    )
    expect(fatals).toEqual([])
    const head = await store.headSeq()
    expect((await store.readEvents({ afterSeq: 0, limit: 1_000 })).map(({ seq }) => seq)).toEqual(
      Array.from({ length: head }, (_, i) => i + 1),
    )
    await store.close()
    const again = await open(disk.path)
    for (const id of accepted) expect(await again.store.getResponse('default', id)).toBeDefined()
    await again.store.close()
  })
})

describe('erasure', () => {
  it('leaves no byte of the response in the database or its WAL', async () => {
    await using dir = await tempDir('storage')
    const { store } = await open(dir.path)
    const sent = Array.from({ length: 20 }, (_, n) =>
      submission({
        data: JSON.stringify({ name: n === 7 ? 'canary-4f1d'.repeat(900) : 'other', n }),
        status: 'partial',
        clientId: `c${n}`,
      }),
    )
    await store.accept(sent)
    await store.accept(
      sent.map((one) => ({
        ...one,
        status: 'completed',
        eventId: `${one.eventId}x`,
        responseId: `${one.responseId}x`,
      })),
    )
    const bytes = () =>
      ['manifold.db', 'manifold.db-wal'].map((name) => readFileSync(dir.file(name), 'latin1')).join('')
    expect(bytes()).toContain('canary-4f1d')
    expect(await store.deleteResponse('default', sent[7]?.responseId ?? '', event())).toBe(true)
    await until('the WAL to be truncated', () => !bytes().includes('canary-4f1d'))
    expect(await store.countResponses('default')).toBe(19)
    await store.close()
  })

  it('leaves no byte of what was discarded from quarantine, of its event, its runs or the words of a refusal', async () => {
    await using dir = await tempDir('storage')
    const { store } = await open(dir.path)
    const canary = 'canary-7ce2'
    const sent = submission({
      data: JSON.stringify({ name: canary.repeat(900) }),
      meta: JSON.stringify({ canary }),
      idempotency: { key: 'k', bodyHash: 'h' },
      aside: {
        verdict: 'rejected',
        code: canary,
        message: `${canary} is not taken here`,
        installation: 'spam',
        plugin: 'spam-filter',
        eventId: newId('event'),
      },
    })
    await store.accept([submission(), sent, submission()])
    const { responseId } = sent
    const about = { eventId: null, deliveryId: null, formId: 'contact', responseId, outcome: 'rejected' as const }
    const logs = [{ level: 'info' as const, message: canary.repeat(500) }]
    await store.appendRuns({ runs: [runRecord({ kind: 'transform', items: [about], logs, error: canary })], more: [] })
    const bytes = () =>
      ['manifold.db', 'manifold.db-wal'].map((name) => readFileSync(dir.file(name), 'latin1')).join('')
    expect(bytes()).toContain(canary)
    const gone = event({ type: 'response.discarded', formId: 'contact', responseId })
    expect(await store.discard('default', responseId, gone)).toBe(true)
    await until('the WAL to be truncated', () => !bytes().includes(canary))
    expect(await store.accept([{ ...sent, responseId: newId('response') }])).toMatchObject([
      { kind: 'duplicate', rejection: { message: '' } },
    ])
    await store.close()
  })

  it('of a form goes on after it was cut short', async () => {
    await using dir = await tempDir('storage')
    const { store } = await open(dir.path)
    await store.accept(Array.from({ length: 30 }, () => submission()))
    await store.close()
    edit(dir.path, "INSERT INTO erasures (workspace, form_id, before_seq) VALUES ('default', 'contact', 1000)")
    const again = await open(dir.path)
    await until('the form to be erased', async () => (await again.store.countResponses('default')) === 0)
    expect((await again.store.readEvents({ afterSeq: 0, limit: 100 })).every(({ data }) => data === null)).toBe(true)
    await again.store.close()
  })
})

describe('the WAL', () => {
  it('stays bounded under load, though a reader holds a snapshot for a while', async () => {
    await using dir = await tempDir('storage')
    const walBytesMax = 1_048_576
    const { store, fatals } = await open(dir.path, { walBytesMax })
    const load = async (rounds: number) => {
      for (let n = 0; n < rounds; n += 1)
        await store.accept(Array.from({ length: 20 }, () => submission({ data: JSON.stringify('z'.repeat(2_000)) })))
    }
    const reader = new Database(dir.file('manifold.db'), { readonly: true })
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM events').get()
    await load(60)
    expect((await store.stats()).walBytes).toBeGreaterThan(walBytesMax)
    reader.exec('COMMIT')
    reader.close()
    await load(60)
    expect((await store.stats()).walBytes).toBeLessThanOrEqual(walBytesMax)
    expect(fatals).toEqual([])
    await store.close()
  })
})

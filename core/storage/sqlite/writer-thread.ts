/** The only connection that writes. Runs in a worker thread, so that an fsync never holds up HTTP. */
import { parentPort, workerData } from 'node:worker_threads'
import { ping } from '../procedures/upkeep.ts'
import { Checkpoints } from './checkpoints.ts'
import { assertDurable, openWriter } from './connection.ts'
import type { Connection } from './connection.ts'
import { failureOf, sqliteCode } from './failures.ts'
import type { Failure } from './failures.ts'
import { databaseFile } from './files.ts'
import { commitGroup } from './group-commit.ts'
import type { GroupResult } from './group-commit.ts'
import type { Call, FromThread, ThreadData, ToThread } from './messages.ts'
import { migrate } from './migrate.ts'
import { bringsWork, reserveOnly } from './reserve.ts'
import { assertWhole, checkSequence } from './sequence.ts'
import { assertHere, assertMoved } from './move-marks.ts'
import { readWatermark, Watermark } from './watermark.ts'

/** Verbs after which no byte of the old rows may stay in the WAL. */
const ERASING = new Set(['deleteForm', 'deleteResponse', 'discard', 'eraseSlice', 'purgeQuarantineSlice', 'release'])

interface Writer {
  readonly connection: Connection
  readonly watermark: Watermark
  readonly checkpoints: Checkpoints
}

const { dir, limits } = workerData as ThreadData
const port = parentPort
if (port === null) throw new Error('writer-thread.ts runs only as a worker')
const say = (message: FromThread): void => port.postMessage(message)

let writer: Writer | undefined
let failed = false

port.on('message', (message: ToThread) => {
  if (message.kind === 'open') open()
  else if (message.kind === 'calls') write(message.calls)
  else close()
})

function open(): void {
  const notes: string[] = []
  let connection: Connection | undefined
  try {
    connection = openWriter(databaseFile(dir).path, {
      busyTimeoutMs: limits.sqliteBusyTimeoutMs,
      walBytesMax: limits.walBytesMax,
    })
    assertMoved(connection.db, dir)
    assertHere(connection.db, dir)
    for (const name of migrate(connection.db)) notes.push(`migrated the database: ${name}`)
    connection.run(ping())
    assertDurable(connection)
    const recorded = readWatermark(dir)
    const report = checkSequence(connection.db, recorded)
    assertWhole(report)
    if (recorded === null && report.head > 0) {
      notes.push('the watermark file was missing or unreadable; a lost tail of the log could not have been noticed')
    }
    writer = {
      connection,
      watermark: new Watermark(dir, report.head),
      checkpoints: new Checkpoints(connection, {
        walBytesMax: limits.walBytesMax,
        busyTimeoutMs: limits.sqliteBusyTimeoutMs,
        failed: (error) => {
          failed = true
          say({ kind: 'fatal', failure: { ...failureOf(error), code: 'storage_failed', fatal: true } })
        },
      }),
    }
    say({ kind: 'ready', notes, head: report.head })
  } catch (error) {
    connection?.db.close()
    say({ kind: 'refused', failure: refusal(error) })
  }
}

/** At the start the file itself is the likely culprit, and the way out is a backup. */
function refusal(error: unknown): Failure {
  const failure = failureOf(error)
  const code = sqliteCode(error)
  if (code !== 'SQLITE_NOTADB' && code?.startsWith('SQLITE_CORRUPT') !== true) return failure
  const message = `${databaseFile(dir).path} is damaged (${code}). Put a backup back with "manifold db restore FILE".`
  return { ...failure, message }
}

function write(calls: readonly Call[]): void {
  if (writer === undefined) return
  const { connection, watermark, checkpoints } = writer
  const result = commitGroup(connection, calls, { reserveOnly: calls.some(bringsWork) && reserveOnly(dir) })
  const { values, failures, head } = result
  if (head !== null) advance(watermark, head)
  say({ kind: 'results', values, failures, ...(head === null ? {} : { head }) })
  if (calls.some(({ verb }) => ERASING.has(verb))) checkpoints.wantTruncate()
  if (isFatal(result)) failed = true
  if (!failed) checkpoints.afterCommit()
}

const isFatal = ({ failures }: GroupResult): boolean => failures?.some((failure) => failure?.fatal === true) ?? false

/** The rows are safe already; a watermark that lags only notices less. */
function advance(watermark: Watermark, head: number): void {
  try {
    watermark.advance(head)
  } catch {
    return
  }
}

function close(): void {
  if (writer !== undefined) {
    const { connection, watermark, checkpoints } = writer
    writer = undefined
    checkpoints.stop()
    if (!failed) checkpoints.finish()
    connection.db.close()
    watermark.close()
  }
  say({ kind: 'closed' })
  port?.close()
}

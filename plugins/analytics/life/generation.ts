/** One file of the engine with all that answers from it and keeps it at the end of the log. */
import { join } from 'node:path'
import type { NativeServices } from 'manifold/plugin'
import { openDatabase, removeDatabase, rowsOf } from '../engine/database.ts'
import type { Database } from '../engine/database.ts'
import { openForms } from '../engine/forms.ts'
import type { Forms } from '../engine/forms.ts'
import { openProjection } from '../engine/projection.ts'
import type { Projection } from '../engine/projection.ts'
import { openReaders } from '../engine/readers.ts'
import type { Readers } from '../engine/readers.ts'
import { openTail } from '../engine/tail.ts'
import type { Tail } from '../engine/tail.ts'
import { openHeadlines } from '../metrics/headlines.ts'
import type { HeadlinesReader } from '../metrics/headlines.ts'
import { Keeper } from '../metrics/keeper.ts'
import { openMetrics } from '../metrics/metrics.ts'
import type { MetricsReader } from '../metrics/metrics.ts'
import { openAsker } from '../query/answer.ts'
import type { Asker } from '../query/answer.ts'
import { openShared } from '../query/known-elsewhere.ts'
import { openSqlDesk } from '../sql/desk.ts'
import type { SqlDesk } from '../sql/desk.ts'
import type { Config } from '../types.d.ts'

const BYTES_PER_MB = 2 ** 20

export interface Generation {
  readonly file: string
  readonly database: Database
  readonly projection: Projection
  readonly forms: Forms
  readonly tail: Tail
  readonly readers: Readers
  readonly asker: Asker
  readonly metrics: MetricsReader
  readonly headlines: HeadlinesReader
  readonly desk: SqlDesk
  /** Counts forms beforehand. */
  warm(): void
  /** It stays open for as long as this takes. */
  use<T>(work: () => Promise<T>): Promise<T>
  /** Once nobody uses it any more. */
  close(): Promise<void>
}

export type Surroundings = NativeServices<Config>

export const fileOf = (number: number): string => `analytics-${number}.duckdb`

/** Makes its file anew when it cannot be opened, or does not go on where the log is. */
/** `lost` is told when the engine is done for and what it has open must be opened again. */
export async function openGeneration(
  number: number,
  around: Surroundings,
  lost: (error: unknown) => void,
): Promise<Generation> {
  const { config, log, say } = around
  const warn = (message: string, fields: { readonly [key: string]: string }): void => say('warn', message, fields)
  const file = fileOf(number)
  const database = await openFitting({ file, beside: fileOf(number + 1) }, around)
  const keeper = new Keeper({ bytesMax: config.countsMb * BYTES_PER_MB, warn })
  const projection = await openProjection(database, keeper)
  const counting = await database.instance.connect()
  keeper.begin({ connection: counting, settled: projection.settled })
  const tail = openTail({ log, say, lost }, projection)
  const readers = await openReaders(database, config.queryTimeoutMs)
  const desk = openSqlDesk(database, projection, { timeoutMs: config.queryTimeoutMs, memoryMb: config.memoryMb })
  const { timezone, openFields } = config
  const shared = await openShared(around.cache, [around.grant, timezone, openFields])
  let warming: Promise<void> = Promise.resolve()
  const uses = new Set<Promise<unknown>>()
  return {
    file,
    database,
    projection,
    forms: openForms(projection, around.forms),
    tail,
    readers,
    asker: openAsker(readers, { timezone, shared }),
    metrics: openMetrics({ readers, keeper, projection, timezone, shared }),
    headlines: openHeadlines({ readers, projection }),
    desk,
    warm: () => {
      warming = keeper.warm(projection.forms()).catch((error: unknown) => {
        warn('forms could not be counted beforehand', { error: String(error) })
      })
    },
    use: async (work) => {
      const working = work()
      uses.add(working)
      return working.finally(() => uses.delete(working))
    },
    close: async () => {
      await tail.close()
      await Promise.allSettled(uses)
      await keeper.close()
      await warming
      counting.closeSync()
      await desk.close()
      readers.close()
      database.close()
    },
  }
}

async function openFitting(
  names: { readonly file: string; readonly beside: string },
  around: Surroundings,
): Promise<Database> {
  const { dir, config, say, grant } = around
  const options = {
    ...names,
    dir,
    memoryMb: config.memoryMb,
    warn: (message: string, fields: { readonly [key: string]: string }) => say('warn', message, fields),
  }
  let database = await openDatabase(options)
  try {
    const why = await misfit(database, around)
    if (why !== null) {
      say('warn', `the projection is made anew: ${why}`)
      database.close()
      await removeDatabase(join(dir, names.file))
      database = await openDatabase(options)
    }
    await database.writer.run('UPDATE progress SET grant_digest = ?', [grant])
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Why what is in the file is not what this log makes for this installation; null: it is, as far as can be told. */
async function misfit({ writer }: Database, { log, grant }: Surroundings): Promise<string | null> {
  const [row = {}] = await rowsOf(writer, 'SELECT applied, last_seq, last_id, grant_digest FROM progress')
  const applied = Number(row['applied'])
  const lastSeq = Number(row['last_seq'])
  if (applied === 0) return null
  if (row['grant_digest'] !== grant) return 'what it may see has changed'
  if ((await log.head()) < applied) return 'the log ends before what was read'
  if (lastSeq === 0) return null
  const { events } = await log.read({ after: lastSeq - 1, limit: 1 })
  return events[0]?.seq === lastSeq && events[0].id === row['last_id']
    ? null
    : 'the log has something else where it was read last'
}

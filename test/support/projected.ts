/** The projection alone, filled with responses of any time, as the log would tell of them. */
import { deepStrictEqual } from 'node:assert'
import { accessOf } from '../../plugins/analytics/access.ts'
import { openDatabase } from '../../plugins/analytics/engine/database.ts'
import type { Database } from '../../plugins/analytics/engine/database.ts'
import { openForms } from '../../plugins/analytics/engine/forms.ts'
import type { Forms } from '../../plugins/analytics/engine/forms.ts'
import { openProjection } from '../../plugins/analytics/engine/projection.ts'
import type { ProjectedForm, Projection } from '../../plugins/analytics/engine/projection.ts'
import { openReaders } from '../../plugins/analytics/engine/readers.ts'
import type { Readers } from '../../plugins/analytics/engine/readers.ts'
import { Keeper } from '../../plugins/analytics/metrics/keeper.ts'
import { openMetrics } from '../../plugins/analytics/metrics/metrics.ts'
import type { Metrics, MetricsQuery } from '../../plugins/analytics/metrics/metrics.ts'
import type { FieldInfo, Json, LoggedEvent, NativeServices } from '../../core/contract/index.ts'
import { tempDir } from './temp.ts'

export interface Told {
  readonly id: string
  readonly data?: { readonly [key: string]: Json }
  readonly status?: 'partial' | 'completed'
  /** RFC 3339. */
  readonly at?: string
  readonly startedAt?: string
}

export interface Projected extends AsyncDisposable {
  readonly database: Database
  readonly projection: Projection
  /** Those that were answered. */
  readonly forms: Forms
  readonly readers: Readers
  /** Counts in memory, as those of the plugin. */
  readonly keeper: Keeper
  /** Tells of whatever happened, `seq` as it was given. */
  hear(events: readonly LoggedEvent[]): Promise<void>
  /** Tells of responses in this order, and returns the form as it is then. */
  tell(responses: readonly Told[]): Promise<ProjectedForm>
  /** The headline numbers of the form, which have to be the same from its counts, unless they are of a period alone, and from its rows. */
  metrics(query: MetricsQuery, nowMs: number): Promise<Metrics>
}

/** Who waits as long as it takes. */
export const NEVER = new AbortController().signal

const FORM = 'f'

/** A hub that has none of its own. */
export const NO_FORMS: NativeServices['forms'] = {
  find: async () => null,
  list: async () => ({ forms: [], next: null }),
}

/** Of whoever may see single answers, too; and of whoever may not. */
export const WIDE = accessOf({ scopes: ['responses:read'] }, [])
export const NARROW = accessOf({ scopes: ['analytics:read'] }, ['properties.variant'])

export async function openProjected(fields: readonly FieldInfo[]): Promise<Projected> {
  const dir = await tempDir('projected')
  const warn = (message: string, fields: { readonly [key: string]: string }): never => {
    throw new Error(`${message}: ${JSON.stringify(fields)}`)
  }
  const database = await openDatabase({ dir: dir.path, file: 'a.duckdb', memoryMb: 512, warn })
  const keeper = new Keeper({ bytesMax: 2 ** 30, warn })
  const projection = await openProjection(database, keeper)
  const counting = await database.instance.connect()
  keeper.begin({ connection: counting, settled: projection.settled })
  const readers = await openReaders(database, 60_000)
  return {
    database,
    projection,
    forms: openForms(projection, NO_FORMS),
    readers,
    keeper,
    metrics: async (query, nowMs) => {
      const form = projection.form(FORM)
      if (form === undefined) throw new Error('nothing was told')
      await keeper.counted(form)
      // One that never begins to count.
      const idle = new Keeper({ bytesMax: 0, warn })
      const { timezone } = query
      const counted = await openMetrics({ readers, keeper, projection, timezone }).of(form, query, {
        nowMs,
        signal: NEVER,
      })
      const computed = await openMetrics({ readers, keeper: idle, projection, timezone }).of(form, query, {
        nowMs,
        signal: NEVER,
      })
      deepStrictEqual([counted.source, computed.source], [query.isOfPeriod === true ? 'rows' : 'counts', 'rows'])
      deepStrictEqual(counted.metrics, computed.metrics)
      return counted.metrics
    },
    hear: (events) => projection.apply(events, events.at(-1)?.seq ?? projection.applied()),
    tell: async (responses) => {
      const before = projection.applied()
      const events = responses.map((told, n) => toEvent(told, { seq: before + n + 1, fields }))
      await projection.apply(events, before + events.length)
      const form = projection.form(FORM)
      if (form === undefined) throw new Error('nothing was told')
      return form
    },
    [Symbol.asyncDispose]: async () => {
      await keeper.close()
      counting.closeSync()
      readers.close()
      database.close()
      await dir[Symbol.asyncDispose]()
    },
  }
}

function toEvent(
  { id, data = {}, status = 'completed', at = '2026-11-27T12:00:00.000Z', startedAt }: Told,
  { seq, fields }: { readonly seq: number; readonly fields: readonly FieldInfo[] },
): LoggedEvent {
  return {
    seq,
    id: `evt_${seq}`,
    type: status === 'completed' ? 'response.submitted' : 'response.partial',
    v: 1,
    at,
    data,
    form: { id: FORM, name: 'A form', version: 1, fields },
    response: { id, status, startedAt: startedAt ?? null, submittedAt: status === 'completed' ? at : null },
  }
}

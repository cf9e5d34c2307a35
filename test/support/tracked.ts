/** Behaviour events as the log tells of them, straight into a projection; and the real ones of test/data. */
import { readFileSync } from 'node:fs'
import { parseCsv } from '../../core/demo/csv.ts'
import type { Json, LoggedEvent } from '../../core/contract/index.ts'
import type { Behaviour } from '../../plugins/analytics/behaviour/asking.ts'
import { readAs } from '../../plugins/analytics/query/failure.ts'
import { trackedColumn } from '../../plugins/analytics/query/source.ts'
import { NEVER, WIDE } from './projected.ts'
import type { Projected } from './projected.ts'

export interface Did {
  readonly visitor: string
  /** RFC 3339, or milliseconds since 1970. */
  readonly at: string | number
  readonly name?: string
  readonly type?: string
  readonly path?: string
  readonly value?: number
  readonly currency?: string
  readonly properties?: { readonly [key: string]: Json }
}

const BATCH_ROWS = 5_000

/** In the order in which they are received. */
export async function tellEvents({ projection }: Pick<Projected, 'projection'>, events: readonly Did[]): Promise<void> {
  for (let from = 0; from < events.length; from += BATCH_ROWS) {
    const before = projection.applied()
    const batch = events.slice(from, from + BATCH_ROWS).map((did, n) => toEvent(did, before + n + 1))
    await projection.apply(batch, before + batch.length)
  }
}

function toEvent(
  { visitor, at, name, type = 'custom', path, value, currency, properties = {} }: Did,
  seq: number,
): LoggedEvent {
  const occurredAt = new Date(at).toISOString()
  return {
    seq,
    id: `evt_${seq}`,
    type: `track.${type}`,
    v: 1,
    at: occurredAt,
    meta: {},
    data: {
      occurred_at: occurredAt,
      anonymous_id: visitor,
      properties,
      ...(name === undefined ? {} : { name }),
      ...(path === undefined ? {} : { page: { path } }),
      ...(value === undefined ? {} : { value }),
      ...(currency === undefined ? {} : { currency }),
    },
  }
}

/** The question read as a request's would be, and answered. */
export async function ask<Question>(
  { readers, projection }: Pick<Projected, 'readers' | 'projection'>,
  behaviour: Behaviour<Question>,
  question: unknown,
  {
    nowMs = Date.parse('2026-11-27T12:00:00Z'),
    id = '',
    access = WIDE,
  }: { readonly nowMs?: number; readonly id?: string; readonly access?: typeof WIDE } = {},
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test expects says what it is
): Promise<any> {
  const read = readAs(behaviour.schema, question)
  const column = (path: string): ReturnType<typeof trackedColumn> => trackedColumn(path, projection)
  return readers.run(NEVER, (reading) =>
    behaviour.answer(read, { ...reading, nowMs, timezone: 'UTC', access, column, params: { id } }),
  )
}

const dataFile = (name: string): string => readFileSync(new URL(`../data/${name}`, import.meta.url), 'utf8')

/** A web server's log: each request a page view. */
export function webAccess(): readonly Did[] {
  const [, ...rows] = parseCsv(dataFile('web_access.csv'))
  return rows.map(([, visitor = '', at = '', , path = '']) => ({ visitor, at, path, type: 'page_view' }))
}

/** Purchases of a shop, with their dollars. */
export const cdnow = (): readonly Did[] =>
  dataFile('cdnow_sample.txt')
    .trimEnd()
    .split('\r\n')
    .map((line) => {
      const [visitor = '', , day = '', , dollars = ''] = line.trim().split(/\s+/)
      const at = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T12:00:00Z`
      return { visitor, at, type: 'conversion', name: 'purchase', value: Number(dollars) }
    })

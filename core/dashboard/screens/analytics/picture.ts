/** What the answer of a saved question looks like, wherever it is shown. */
import type { Html } from '../../../html.ts'
import type { Cell, Chart } from '../../charts/chart.ts'
import { counted } from '../../parts/time.ts'
import { funnelCharts, funnelFigures } from './funnel.ts'
import type { FunnelAnswer } from './funnel.ts'
import { journeysCharts } from './journeys.ts'
import type { JourneysAnswer } from './journeys.ts'
import type { Saved } from './keeping.ts'
import { questionChart } from './question.ts'
import { resultChart } from './result.ts'
import { retentionCharts } from './retention.ts'
import type { RetentionAnswer } from './retention.ts'
import type { QueryRow } from './wire.ts'
import { cohortsCharts } from './worth.ts'
import type { CohortsAnswer } from './worth.ts'

export interface Picture {
  readonly charts: readonly Chart[]
  readonly above?: Html
}

/** `view`: what a builder keeps beside the question; of one that was saved by the API it is empty, and its rows have to say it. */
export function pictureOf({ kind, name, view }: Pick<Saved, 'kind' | 'name' | 'view'>, answer: unknown): Picture {
  const query = (part: string): string | undefined => view[part] || undefined
  switch (kind) {
    case 'funnels': {
      const funnel = answer as FunnelAnswer
      return { charts: funnelCharts(funnel, query), above: funnelFigures(funnel) }
    }
    case 'retention':
      return { charts: retentionCharts(answer as RetentionAnswer) }
    case 'journeys':
      return { charts: journeysCharts(answer as JourneysAnswer) }
    case 'cohorts':
      return { charts: cohortsCharts(answer as CohortsAnswer) }
    case 'query': {
      const { items } = answer as { readonly items?: readonly QueryRow[] }
      if (items !== undefined && Object.keys(view).length > 0) return { charts: [questionChart(items, query)] }
      return { charts: [rowsChart(items ?? rowsOfMap(answer), name)] }
    }
  }
}

const GROUPS_DRAWN_MAX = 2

/** One number behind one or two choices is drawn, as a builder's; anything else is a table. */
function rowsChart(items: readonly QueryRow[], title: string): Chart {
  const columns = Object.keys(items[0] ?? {}).filter((column) => column !== 'compare')
  const rows = items.map((row) => columns.map((column): Cell => row[column] ?? null))
  const groups = columns.length - 1
  const isNumbers = rows.every((row) => row[groups] === null || typeof row[groups] === 'number')
  const isOneNumber = !rows.some((row) => groups > 1 && typeof row[groups - 1] === 'number')
  if (groups >= 0 && groups <= GROUPS_DRAWN_MAX && isNumbers && isOneNumber)
    return resultChart({ columns, rows, bucket: null, isCount: false }, groups, title)
  return {
    id: 'answer',
    isSection: true,
    title,
    sentence: `${counted(rows.length, 'line', 'lines')}.`,
    columns: columns.map((label) => ({ label })),
    rows,
    drawings: [],
  }
}

const rowsOfMap = (answer: unknown): readonly QueryRow[] =>
  Object.entries(answer as { readonly [group: string]: number | null }).map(([group, value]) => ({ group, value }))

/** What cohorts were worth: no builder asks it, but a saved question may. */
import type { Chart } from '../../charts/chart.ts'
import { heat } from '../../parts/heat.ts'
import { number } from '../../parts/time.ts'
import { after, cohortChart } from './retention.ts'
import type { RetentionAnswer } from './retention.ts'
import { shortPoint } from './series.ts'

/** As `POST /api/v2/analytics/cohorts` answers it. */
export interface CohortsAnswer extends Omit<RetentionAnswer, 'average' | 'cohorts'> {
  /** Null: of several, so nothing is added up. Empty: none was told. */
  readonly currency: string | null
  readonly cohorts: readonly (RetentionAnswer['cohorts'][number] & {
    /** All that one of them was worth up to then. */
    readonly value_per_visitor: readonly (number | null)[]
  })[]
}

/** Who came back, and what each was worth. */
export const cohortsCharts = (answer: CohortsAnswer): readonly Chart[] => [cohortChart(answer), worthChart(answer)]

function worthChart({ cohorts, period, currency }: CohortsAnswer): Chart {
  const labels = (cohorts[0]?.value_per_visitor ?? []).map((_, n) => after(n, period))
  const most = Math.max(0, ...cohorts.flatMap(({ value_per_visitor: worth }) => worth.map((each) => each ?? 0)))
  const money = (value: number): string => `${number(Math.round(value * 100) / 100)}${currency ? ` ${currency}` : ''}`
  return {
    id: 'worth',
    isSection: true,
    title: 'Worth per visitor',
    sentence:
      most === 0
        ? 'No value is known that could be added up: none was told, or they are of several currencies.'
        : `Up to ${money(most)} for each visitor of a cohort; each cell is all that came in by then.`,
    columns: [{ label: period }, { label: 'visitors' }, ...labels.map((label) => ({ label }))],
    rows: cohorts.map(({ cohort, visitors, value_per_visitor: worth }) => [cohort, visitors, ...worth]),
    drawings: [],
    more:
      most === 0
        ? null
        : heat({
            corner: `${period}, visitors`,
            columns: labels,
            ends: [money(0), money(most)],
            rows: cohorts.map(({ cohort, visitors, value_per_visitor: worth }) => ({
              label: `${shortPoint(cohort)} · ${number(visitors)}`,
              cells: worth.map((each) => ({
                share: each === null ? null : Math.max(0, each) / most,
                text: each === null ? '' : money(each),
              })),
            })),
          }),
  }
}

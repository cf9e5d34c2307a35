/** At which hours of which days of the week a form is answered. */
import type { Chart } from '../../charts/chart.ts'
import { heat } from '../../parts/heat.ts'
import type { Period } from '../../parts/period.ts'
import { counted, number } from '../../parts/time.ts'
import type { QueryAnswer } from './wire.ts'

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const HOURS = Array.from({ length: 24 }, (_, hour) => hour)
/** Of an answer: more than a year of hours. */
const HOURS_MAX = 10_000

export const weekQuestion = ({ from, to }: Period): object => ({
  aggregates: { responses: { fn: 'count' } },
  group_by: [{ field: 'response.submitted_at', bucket: 'hour', as: 'hour' }],
  order_by: [{ by: 'hour', direction: 'desc' }],
  from,
  to,
  limit: HOURS_MAX,
})

export function weekChart({ items, meta }: QueryAnswer, timezone: string): Chart {
  const grid = DAYS.map(() => HOURS.map(() => 0))
  for (const { hour, responses } of items) {
    const date = new Date(`${String(hour)}:00Z`)
    const day = grid[(date.getUTCDay() + 6) % 7]
    const at = date.getUTCHours()
    if (day !== undefined) day[at] = (day[at] ?? 0) + Number(responses)
  }
  const all = grid.flat()
  const most = Math.max(...all)
  const best = all.indexOf(most)
  const newest = meta.next_offset === null ? '' : ` Of the newest ${number(HOURS_MAX)} hours.`
  return {
    id: 'week',
    title: 'Hours of the week',
    sentence:
      most === 0
        ? 'Nothing was completed in this period.'
        : `Most on ${DAYS[Math.floor(best / 24)] ?? ''} between ${best % 24} and ${(best % 24) + 1} o’clock (${number(most)}); ${timezone}.${newest}`,
    columns: [{ label: 'day' }, ...HOURS.map((hour) => ({ label: String(hour) }))],
    rows: grid.map((counts, n) => [DAYS[n] ?? '', ...counts]),
    drawings: [],
    more: heat({
      corner: 'Day',
      columns: HOURS.map((hour) => (hour % 6 === 0 ? String(hour) : '')),
      rows: grid.map((counts, n) => ({
        label: DAYS[n] ?? '',
        cells: counts.map((count, hour) => ({
          share: most === 0 ? 0 : count / most,
          text: `${DAYS[n] ?? ''} ${hour}:00: ${counted(count, 'response', 'responses')}`,
        })),
      })),
      ends: ['0', `${counted(most, 'response', 'responses')} an hour`],
      isSmall: true,
    }),
  }
}

/** Times, durations and counts as people read them. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** Day and time in UTC or on a clock that shows both, with how long ago that is as its title; a dash where there is none. */
export function time(at: string | null, nowMs: number, clock: (at: string) => string = (same) => same): Html {
  if (at === null) return html`<span class="none">–</span>`
  return html`<time datetime="${at}" title="${ago(Date.parse(at), nowMs)}">${shortTime(clock(at), Date.parse(clock(new Date(nowMs).toISOString())))}</time>`
}

/** `14:03:07` today, `27 Nov 14:03` this year, else with its year. */
export function shortTime(at: string, nowMs: number): string {
  const [, year = '', month = '', day = '', clock = ''] = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}:\d{2}:\d{2})/.exec(at) ?? []
  if (clock === '') return at
  const now = new Date(nowMs).toISOString()
  if (now.slice(0, 10) === at.slice(0, 10)) return clock
  const date = `${Number(day)} ${MONTHS[Number(month) - 1] ?? month}`
  return now.slice(0, 4) === year ? `${date} ${clock.slice(0, 5)}` : `${date} ${year}`
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `3 min ago`, `in 5 s`. */
export function ago(atMs: number, nowMs: number): string {
  const ms = nowMs - atMs
  if (Math.abs(ms) < SECOND_MS) return 'now'
  return ms > 0 ? `${span(ms)} ago` : `in ${span(-ms)}`
}

/** A length of time in the largest unit that fits. */
export function span(ms: number): string {
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`
  if (ms < MINUTE_MS) return `${Number((ms / SECOND_MS).toFixed(ms < 10 * SECOND_MS ? 1 : 0))} s`
  if (ms < HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`
  if (ms < 2 * DAY_MS) return `${Math.round(ms / HOUR_MS)} h`
  return `${Math.round(ms / DAY_MS)} days`
}

const NUMBER = new Intl.NumberFormat('en-US')

/** `12,345`. */
export const number = (value: number): string => NUMBER.format(value)

/** `1 delivery`, `3 deliveries`. */
export const counted = (count: number, one: string, many: string): string =>
  `${number(count)} ${count === 1 ? one : many}`

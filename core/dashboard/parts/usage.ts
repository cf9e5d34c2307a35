/** What an installation or a plugin used: runs, time, memory, and the limits it broke. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import type { UsageItem } from '../wire.ts'
import { chip } from './chip.ts'
import { facts } from './facts.ts'
import { number, span, time } from './time.ts'

const MEGABYTE = 1_048_576

export function usageSection(usage: UsageItem, nowMs: number): Html {
  const broken = Object.entries(usage.breaches).filter(([, count]) => count > 0)
  return html`${facts([
    ['Counted since', time(usage.since, nowMs)],
    [
      'Runs',
      html`${number(usage.runs)}${usage.failed === 0 ? null : html` <span class="error">${number(usage.failed)} failed</span>`}`,
    ],
    ['CPU', html`${span(usage.cpu_ms)} <span class="soft">· ${span(usage.last_hour.cpu_ms)} in the last hour</span>`],
    [
      'Requests',
      html`${number(usage.http_calls)} <span class="soft">· ${number(usage.last_hour.http_calls)} in the last hour</span>`,
    ],
    [
      'Memory',
      html`${megabytes(usage.heap_bytes)} <span class="soft">· at most ${megabytes(usage.heap_peak_bytes)}</span>`,
    ],
    ['Points left', html`${number(usage.points)} <span class="soft">of ${number(usage.points_max)}</span>`],
    [
      'Limits broken',
      broken.length === 0 ? 'none' : html`${broken.map(([name, count]) => html`${chip(`${name} ${count}`, 'bad')} `)}`,
    ],
  ])}`
}

/** As people read it. */
export const megabytes = (bytes: number): string => `${(bytes / MEGABYTE).toFixed(1)} MB`

/** A small line: how something went, at a glance, drawn in the page itself. The numbers stand below it. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { table } from './list.ts'
import { number } from './time.ts'

export interface Spark {
  readonly title: string
  /** What a look at it would tell. */
  readonly sentence: string
  readonly labels: readonly string[]
  readonly lines: readonly { readonly name: string; readonly values: readonly number[] }[]
}

const WIDTH = 480
const HEIGHT = 72
/** Room for the line's own width, and for what it stands on. */
const EDGE = 2

export function spark({ title, sentence, labels, lines }: Spark): Html {
  const most = Math.max(1, ...lines.flatMap(({ values }) => values))
  const x = (at: number): string => ((at * WIDTH) / Math.max(1, labels.length - 1)).toFixed(1)
  const y = (value: number): string => (HEIGHT - EDGE - (value / most) * (HEIGHT - 2 * EDGE)).toFixed(1)
  const points = (values: readonly number[]): string => values.map((value, at) => `${x(at)},${y(value)}`).join(' ')
  return html`<figure class="chart spark">
<figcaption><h3>${title}</h3><p>${sentence}</p></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
<polyline class="ground" points="0,${HEIGHT - 1} ${WIDTH},${HEIGHT - 1}"/>
${lines.map(({ values }, n) => html`<polyline class="c${n + 1}" points="${points(values)}"/>`)}
</svg>
<div class="spark-foot"><ul class="legend">${lines.map(({ name }, n) => html`<li class="c${n + 1}">${name}</li>`)}</ul><span class="soft">${labels[0] ?? ''} to ${labels.at(-1) ?? ''}</span></div>
<details><summary>Numbers</summary>${table(
    [
      { label: 'From', cell: (at: number) => labels[at] ?? '' },
      ...lines.map(({ name, values }) => ({
        label: name,
        align: 'end' as const,
        cell: (at: number) => number(values[at] ?? 0),
      })),
    ],
    labels.map((_label, at) => at).toReversed(),
  )}</details>
</figure>`
}

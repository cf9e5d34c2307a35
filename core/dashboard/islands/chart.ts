/**
 * Loaded when somebody first comes near a chart: what a line is at the place under the pointer, or at the one the arrow keys
 * went to. The drawing is the server's; the numbers stand beside it, and in the table below it, which needs no script.
 */
export {}

interface Box {
  readonly left: number
  readonly width: number
}
interface El {
  readonly dataset: { [name: string]: string | undefined }
  readonly isConnected: boolean
  readonly style: { left: string }
  className: string
  textContent: string
  hidden: boolean
  querySelector(selector: string): El | null
  querySelectorAll(selector: string): Iterable<El>
  closest(selector: string): El | null
  getAttribute(name: string): string | null
  setAttribute(name: string, value: string): void
  getBoundingClientRect(): Box
  append(...children: readonly El[]): void
  replaceChildren(...children: readonly El[]): void
}
interface Happening {
  readonly target: El | null
  readonly clientX: number
  readonly key: string
  preventDefault(): void
}
declare const document: {
  readonly activeElement: El | null
  createElement(name: string): El
  querySelector(selector: string): El | null
  addEventListener(type: string, heard: (event: Happening) => void): void
}

/** What the server says of a drawing. */
interface Points {
  readonly labels: readonly string[]
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[]
  readonly unit: string
}

const PLOTS = '[data-points]'

/** What is shown of which chart. */
let shown: { readonly plots: El; readonly points: Points; readonly at: number } | null = null

const pointsOf = (plots: El): Points => JSON.parse(plots.dataset['points'] ?? '') as Points

/** Where the first and the last place of the drawing that is to be seen are, as shares of its width; null: none is. */
function spanOf(plots: El): { readonly box: Box; readonly first: number; readonly last: number } | null {
  for (const svg of plots.querySelectorAll('svg')) {
    const box = svg.getBoundingClientRect()
    const width = Number(svg.getAttribute('viewBox')?.split(' ')[2])
    const [first, last] = (svg.dataset['places'] ?? '').split(' ').map((px) => Number(px) / width)
    if (box.width > 0 && first !== undefined && last !== undefined) return { box, first, last }
  }
  return null
}

function made(name: string, className: string, text = ''): El {
  const fresh = document.createElement(name)
  fresh.className = className
  fresh.textContent = text
  return fresh
}

function partOf(plots: El, className: string): El {
  const old = plots.querySelector(`.${className}`)
  if (old !== null) return old
  const fresh = made('div', className)
  if (className === 'tip') fresh.setAttribute('role', 'status')
  plots.append(fresh)
  return fresh
}

function hide(): void {
  if (shown === null) return
  for (const name of ['cross', 'tip']) partOf(shown.plots, name).hidden = true
  delete shown.plots.dataset['at']
  shown = null
}

function show(plots: El, points: Points, wanted: number): void {
  const span = spanOf(plots)
  if (span === null || points.labels.length === 0) return
  const at = Math.max(0, Math.min(points.labels.length - 1, wanted))
  if (shown?.plots === plots && shown.at === at) return
  if (shown?.plots !== plots) hide()
  shown = { plots, points, at }
  plots.dataset['at'] = points.labels[at]
  const share = span.first + ((span.last - span.first) * at) / Math.max(1, points.labels.length - 1)
  const [cross, tip] = [partOf(plots, 'cross'), partOf(plots, 'tip')]
  cross.style.left = tip.style.left = `${share * 100}%`
  tip.className = share > 0.5 ? 'tip before' : 'tip'
  tip.replaceChildren(
    made('b', '', points.labels[at]),
    ...points.series.map(({ name, values }, n) => made('span', `c${(n % 6) + 1}`, said(name, values[at], points.unit))),
  )
  cross.hidden = tip.hidden = false
}

function said(name: string, value: number | null | undefined, unit: string): string {
  const text = value == null ? '–' : `${(Math.round(value * 1_000) / 1_000).toLocaleString('en-US')}${unit}`
  return name === '' ? text : `${name} ${text}`
}

function point({ target, clientX }: Happening): void {
  const plots = target?.closest(PLOTS) ?? null
  const span = plots === null ? null : spanOf(plots)
  // What somebody went to with the keys stays while the pointer moves elsewhere.
  if (plots === null || span === null) return shown?.plots === document.activeElement ? undefined : hide()
  const points = pointsOf(plots)
  const share = (clientX - span.box.left) / span.box.width
  show(plots, points, Math.round(((share - span.first) / (span.last - span.first || 1)) * (points.labels.length - 1)))
}

function step(event: Happening): void {
  const plots = document.activeElement?.closest(PLOTS) ?? null
  if (plots === null) return
  if (event.key === 'Escape') return hide()
  const points = pointsOf(plots)
  const last = points.labels.length - 1
  const at = shown?.plots === plots ? shown.at : last
  const places: Readonly<Record<string, number>> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }
  const wanted = places[event.key]
  if (wanted === undefined) return
  event.preventDefault()
  show(plots, points, wanted)
}

function arrive(): void {
  const plots = document.activeElement?.closest(PLOTS) ?? null
  if (plots === null) return hide()
  begin(plots)
}

/** Where somebody was before the page was made anew, else at the end. */
function begin(plots: El): void {
  const points = pointsOf(plots)
  const at = points.labels.indexOf(plots.dataset['at'] ?? '')
  show(plots, points, at === -1 ? points.labels.length - 1 : at)
}

/** The page was made anew: the chart that somebody was at is another one now. */
function goOn(): void {
  const plots = shown?.plots.isConnected === true ? null : document.querySelector(`${PLOTS}[data-at]`)
  if (plots !== null) begin(plots)
}

document.addEventListener('pointermove', point)
document.addEventListener('pointerdown', point)
document.addEventListener('keydown', step)
document.addEventListener('focusin', arrive)
document.addEventListener('focusout', hide)
document.addEventListener('swapped', goOn)
if (document.activeElement?.closest(PLOTS) != null) arrive()

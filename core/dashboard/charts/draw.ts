/** Numbers as options of ECharts: quiet axes, colours that are the stylesheet's variables, so that one drawing serves both themes. */
import type { EChartsOption } from 'echarts'

/** One picture to be drawn. */
export interface Drawing {
  readonly width: number
  readonly height: number
  readonly option: EChartsOption
  /** What is at each place along its axis, for whoever asks by pointer or key. */
  readonly points?: Points
}

/** The numbers of a drawing with one place for each label. */
export interface Points {
  readonly labels: readonly string[]
  readonly series: readonly Series[]
  /** Behind each number. */
  readonly unit: string
}

export interface Series {
  readonly name: string
  readonly values: readonly (number | null)[]
}

/** Words on the time line. */
export interface Mark {
  /** Which of the labels it stands at. */
  readonly at: number
  readonly text: string
}

export interface Trend {
  readonly labels: readonly string[]
  readonly series: readonly Series[]
  readonly marks?: readonly Mark[]
  /** Unless said, a line over time. */
  readonly kind?: 'line' | 'column'
  /** Of 100. */
  readonly isPercent?: boolean
}

/** As many as the stylesheet has colours. */
export const COLOURS = 6
export const colour = (n: number): string => `var(--chart-${(n % COLOURS) + 1})`

const WIDE = { width: 960, height: 250 }
const NARROW = { width: 340, height: 210 }
const TEXT_PX = 12
const AREA_OPACITY = 0.1

/** Once for a wide screen and once for a narrow one: letters keep their size. */
export function trend(of: Trend): readonly [wide: Drawing, narrow: Drawing] {
  const points = { labels: of.labels, series: of.series, unit: of.isPercent === true ? ' %' : '' }
  return [
    { ...WIDE, option: trendOption(of, 8), points },
    { ...NARROW, option: trendOption(of, 4), points },
  ]
}

function trendOption(
  { labels, series, marks = [], kind = 'line', isPercent = false }: Trend,
  ticks: number,
): EChartsOption {
  const isLine = kind === 'line' && labels.length > 1
  return {
    grid: { left: 4, right: 12, top: marks.length > 0 ? 26 : 12, bottom: 2, containLabel: true },
    xAxis: {
      type: 'category',
      data: [...labels],
      boundaryGap: !isLine,
      axisLine: { lineStyle: { color: 'var(--line-strong)' } },
      axisTick: { show: false },
      axisLabel: {
        color: 'var(--soft)',
        fontSize: TEXT_PX,
        hideOverlap: true,
        interval: isLine ? Math.max(0, Math.ceil(labels.length / ticks) - 1) : 'auto',
        width: kind === 'column' ? 110 : 90,
        overflow: 'truncate',
      },
    },
    yAxis: {
      type: 'value',
      ...(isPercent ? { max: 100, interval: 25 } : { minInterval: 1 }),
      splitNumber: 3,
      axisLabel: { color: 'var(--soft)', fontSize: TEXT_PX, ...(isPercent ? { formatter: '{value} %' } : {}) },
      splitLine: { lineStyle: { color: 'var(--line)' } },
    },
    series: series.map(({ name, values }, n) => ({
      name,
      type: isLine ? ('line' as const) : ('bar' as const),
      data: [...values],
      ...(isLine ? lineStyle(n, series.length) : { barMaxWidth: 28, itemStyle: { color: colour(n), borderRadius: 2 } }),
      ...(n === 0 && marks.length > 0 ? { markLine: markLine(marks) } : {}),
    })),
  }
}

const lineStyle = (n: number, of: number): object => ({
  symbol: 'none',
  lineStyle: { color: colour(n), width: 1.75 },
  itemStyle: { color: colour(n) },
  ...(of === 1 ? { areaStyle: { color: colour(n), opacity: AREA_OPACITY } } : {}),
})

const markLine = (marks: readonly Mark[]): object => ({
  silent: true,
  symbol: 'none',
  lineStyle: { color: 'var(--line-strong)', type: 'dashed', width: 1 },
  label: { color: 'var(--ink)', fontSize: TEXT_PX, width: 150, overflow: 'truncate' },
  data: marks.map(({ at, text }) => ({ xAxis: at, label: { formatter: plain(text) } })),
})

/** Braces would be places to fill in. */
const plain = (text: string): string => text.replaceAll(/[{}|]/g, ' ')

export interface Bar {
  readonly label: string
  readonly value: number
  /** At the end of its line. */
  readonly note: string
}

const BAR_ROW_PX = 38
/** As wide as most notes. */
const NOTE_PX = 140
const CARD_PX = 440
const PAGE_PX = 960
const PHONE_PX = 310

/** Bars below one another, each under its label: for a card beside others, or as wide as the page. `max`: where a bar is full. */
export const bars = (all: readonly Bar[], max: number, place: 'card' | 'page' = 'card'): readonly Drawing[] =>
  [place === 'card' ? CARD_PX : PAGE_PX, PHONE_PX].map((width) => barsOf(all, max, width))

function barsOf(all: readonly Bar[], max: number, width: number): Drawing {
  const axis = { type: 'category' as const, inverse: true, axisLine: { show: false }, axisTick: { show: false } }
  const text = { inside: true, margin: 0, verticalAlign: 'bottom' as const, padding: [0, 0, 6, 0], fontSize: TEXT_PX }
  const label = { align: 'left' as const, color: 'var(--ink)', width: width - NOTE_PX, overflow: 'truncate' as const }
  return {
    width,
    height: all.length * BAR_ROW_PX,
    option: {
      // The half of a row that is below the last bar is empty.
      grid: { left: 0, right: 0, top: 10, bottom: -10 },
      xAxis: { type: 'value', show: false, min: 0, max: max > 0 ? max : 1 },
      yAxis: [
        { ...axis, data: all.map((bar) => bar.label), axisLabel: { ...text, ...label, interval: 0 } },
        {
          ...axis,
          position: 'right',
          data: all.map(({ note }) => note),
          axisLabel: { ...text, interval: 0, align: 'right', color: 'var(--soft)' },
        },
      ],
      series: [
        {
          type: 'bar',
          data: all.map(({ value }) => value),
          barWidth: 8,
          itemStyle: { color: colour(0), borderRadius: 2 },
          showBackground: true,
          backgroundStyle: { color: 'var(--line)', borderRadius: 2 },
        },
      ],
    },
  }
}

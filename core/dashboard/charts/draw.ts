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

/** Something on the time line that the page has words for, in a list with the same numbers. */
export interface Mark {
  /** Which of the labels it stands at. */
  readonly at: number
  /** Its number in the list; several where they stand at the same place. */
  readonly number: string
}

export interface Trend {
  readonly labels: readonly string[]
  readonly series: readonly Series[]
  readonly marks?: readonly Mark[]
  /** Of 100. */
  readonly isPercent?: boolean
}

/** As many as the stylesheet has colours. */
export const COLOURS = 6
export const colour = (n: number): string => `var(--chart-${(n % COLOURS) + 1})`

/** Pixels of line and gap: lines are told apart without their colours, too. The stylesheet's legends have the same. */
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [16, 5], [10, 3, 2, 3, 2, 3]]

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

function trendOption({ labels, series, marks = [], isPercent = false }: Trend, ticks: number): EChartsOption {
  const isLine = labels.length > 1
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
        // Half of what stands at an end would be outside.
        alignMinLabel: 'left',
        alignMaxLabel: 'right',
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
  lineStyle: { color: colour(n), width: 1.75, type: dashes(n) },
  itemStyle: { color: colour(n) },
  ...(of === 1 ? { areaStyle: { color: colour(n), opacity: AREA_OPACITY } } : {}),
})

const dashes = (n: number): 'solid' | number[] => {
  const dash = DASHES[n % COLOURS] ?? []
  return dash.length === 0 ? 'solid' : [...dash]
}

const markLine = (marks: readonly Mark[]): object => ({
  silent: true,
  symbol: 'none',
  lineStyle: { color: 'var(--line-strong)', type: 'dashed', width: 1 },
  label: { color: 'var(--ink)', fontSize: TEXT_PX },
  data: marks.map(({ at, number }) => ({ xAxis: at, label: { formatter: number } })),
})

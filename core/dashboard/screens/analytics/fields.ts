/** What was answered, field by field, and how far people came. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { percent, percentCell, shown } from '../../charts/chart.ts'
import type { Chart } from '../../charts/chart.ts'
import { bars, drawnOf } from '../../charts/bars.ts'
import { section } from '../../parts/facts.ts'
import { table } from '../../parts/list.ts'
import { counted, number } from '../../parts/time.ts'
import type { Choice, Completion, FieldMetrics } from './wire.ts'

const FIELDS_MAX = 40
const BARS_MAX = 12

/** Shares of what could be chosen; the rest of many is in the table. */
export const fieldCharts = (fields: readonly FieldMetrics[]): readonly Chart[] =>
  fields
    .flatMap((field) =>
      field.choices === undefined || field.choices.length === 0 ? [] : [{ ...field, choices: field.choices }],
    )
    .slice(0, FIELDS_MAX)
    .map(distribution)

/** What a box says that is ticked or not. */
const WORDS: Readonly<Record<string, string>> = { true: 'Yes', false: 'No' }

type Chosen = FieldMetrics & { readonly choices: readonly Choice[] }

function distribution({ key, label, type, answered, choices: all }: Chosen): Chart {
  const choices =
    type === 'boolean' ? all.map((choice) => ({ ...choice, label: WORDS[choice.value] ?? choice.label })) : all
  const drawn = choices.length > BARS_MAX ? choices.toSorted((a, b) => b.count - a.count).slice(0, BARS_MAX) : choices
  const most = choices.reduce((best, choice) => (choice.count > best.count ? choice : best))
  return {
    id: `field-${key}`,
    title: label,
    sentence:
      answered === 0
        ? 'Nobody has answered this.'
        : `${counted(answered, 'answer', 'answers')}; most often “${most.label}”, by ${percent(most.share)}.`,
    columns: [{ label: 'choice' }, { label: 'value' }, { label: 'count' }, { label: 'share', show: percentCell }],
    rows: choices.map((choice) => [choice.label, choice.value, choice.count, choice.share]),
    drawings: [],
    more: html`${bars(
      drawn.map((choice) => ({
        label: choice.label,
        value: choice.count,
        note: `${number(choice.count)} · ${percent(choice.share)}`,
      })),
      answered,
    )}${drawnOf(drawn.length, choices.length)}`,
  }
}

const SUMMARY = [
  ['average', 'Average'],
  ['median', 'Median'],
  ['min', 'Least'],
  ['max', 'Most'],
  ['sum', 'Sum'],
] as const

/** Numbers in a line each; null where no field has any. */
function numberTable(fields: readonly FieldMetrics[]): Html | null {
  const rows = fields.flatMap(({ label, answered, numbers }) =>
    numbers === undefined ? [] : [{ label, answered, numbers }],
  )
  if (rows.length === 0) return null
  return table<(typeof rows)[number]>(
    [
      { label: 'Field', cell: ({ label }) => label },
      { label: 'Answers', align: 'end', cell: ({ answered }) => number(answered) },
      ...SUMMARY.map(([name, label]) => ({
        label,
        align: 'end' as const,
        cell: ({ numbers }: (typeof rows)[number]) => shown(numbers[name]),
      })),
    ],
    rows,
  )
}

/** How many came as far as each field; none where nobody left before the end. */
export function dropOffChart(fields: readonly FieldMetrics[], { base, started }: Completion): readonly Chart[] {
  const [first] = fields
  if (first === undefined || fields.every(({ left }) => left === 0)) return []
  const worst = fields.reduce((most, field) => (field.left > most.left ? field : most))
  return [
    {
      id: 'drop-off',
      title: 'Who came as far as each field',
      sentence: `Of ${base === 'snippet' ? counted(started, 'visit that began', 'visits that began') : counted(first.reached, 'response', 'responses')} most were left at “${worst.label}”: ${number(worst.left)}, ${percent(worst.drop_off)} of those who ${base === 'snippet' ? 'were there' : 'came that far'}.`,
      columns: [
        { label: 'field' },
        { label: 'reached' },
        { label: 'answered' },
        { label: 'left' },
        { label: 'drop-off', show: percentCell },
      ],
      rows: fields.map(({ label, reached, answered, left, drop_off: share }) => [
        label,
        reached,
        answered,
        left,
        share,
      ]),
      drawings: [],
      more: html`${bars(
        fields.slice(0, FIELDS_MAX).map(({ label, reached, left }) => ({
          label,
          value: reached,
          note: left === 0 ? number(reached) : `${number(reached)} · ${number(left)} left`,
        })),
        Math.max(first.reached, ...fields.map(({ reached }) => reached)),
      )}${drawnOf(Math.min(FIELDS_MAX, fields.length), fields.length)}`,
    },
  ]
}

/** What was drawn of them, under headings that say of which responses it is. */
export function fieldSections(
  { fields, completion }: { readonly fields: readonly FieldMetrics[]; readonly completion: Completion },
  drawn: ReadonlyMap<string, Html>,
  when: string,
): Html {
  const sent = html`<span class="soft fine">responses completed ${when}</span>`
  const begun =
    completion.base === 'snippet'
      ? html`<span class="soft fine">visits that the snippet saw ${when}, each field by those who were in it</span>`
      : html`<span class="soft fine">responses begun ${when}, also those that were not completed</span>`
  const charts = [...drawn].flatMap(([id, figure]) => (id.startsWith('field-') ? [figure] : []))
  const sums = numberTable(fields)
  return html`${charts.length === 0 ? null : section('Answers', html`<div class="charts">${charts}</div>`, sent)}
${sums === null ? null : section('Numbers', sums, sent)}
${drawn.get('drop-off') === undefined ? null : section('Where people left', drawn.get('drop-off') ?? null, begun)}`
}

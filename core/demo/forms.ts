/** Two real surveys as forms and answers: the columns of the CSV files in `data/`, by position, as proper fields. */
import { readFileSync } from 'node:fs'
import type { Json } from '../contract/index.ts'
import { parseCsv } from './csv.ts'

/** A field as the API and manifold.yaml take it. */
export interface DemoField {
  readonly key: string
  readonly label: string
  readonly type: 'radio' | 'select' | 'multi_select' | 'text'
  readonly options?: readonly { readonly value: string; readonly label: string }[]
  /** What people wrote in their own words may say who they are. */
  readonly pii?: boolean
}

export interface DemoForm {
  readonly id: string
  readonly name: string
  readonly fields: readonly DemoField[]
  readonly answers: readonly DemoAnswer[]
}

export interface DemoAnswer {
  /** The survey's own respondent number: posting it twice stores it once. */
  readonly respondent: string
  readonly data: { readonly [key: string]: Json }
}

/** One field of the form: a question's key, its type, and the column or columns that hold its answers (from 0). */
type ColumnMap = readonly [key: string, type: DemoField['type'], from: number, to?: number]

interface Survey {
  readonly id: string
  readonly name: string
  readonly file: string
  readonly columns: readonly ColumnMap[]
}

// By position, since three header texts of the Thanksgiving file stand there twice.
const SURVEYS: readonly Survey[] = [
  {
    id: 'comma-survey',
    name: 'Should we use the Oxford comma?',
    file: 'comma-survey.csv',
    columns: [
      ['oxford', 'radio', 1],
      ['heard_of_it', 'radio', 2],
      ['cares_about_comma', 'radio', 3],
      ['data_is_or_are', 'radio', 4],
      ['considered_data', 'radio', 5],
      ['cares_about_data', 'radio', 6],
      ['grammar_important', 'radio', 7],
      ['gender', 'radio', 8],
      ['age', 'select', 9],
      ['income', 'select', 10],
      ['education', 'select', 11],
      ['region', 'select', 12],
    ],
  },
  {
    id: 'thanksgiving-2015',
    name: 'What is on your Thanksgiving table?',
    file: 'thanksgiving-2015-poll-data.csv',
    columns: [
      ['celebrates', 'radio', 1],
      ['main_dish', 'select', 2],
      ['main_dish_other', 'text', 3],
      ['cooked', 'select', 4],
      ['cooked_other', 'text', 5],
      ['stuffing', 'select', 6],
      ['stuffing_other', 'text', 7],
      ['cranberry', 'select', 8],
      ['cranberry_other', 'text', 9],
      ['gravy', 'radio', 10],
      ['sides', 'multi_select', 11, 24],
      ['sides_other', 'text', 25],
      ['pies', 'multi_select', 26, 37],
      ['pies_other', 'text', 38],
      ['desserts', 'multi_select', 39, 49],
      ['desserts_other', 'text', 50],
      ['prays', 'radio', 51],
      ['travel', 'select', 52],
      ['watches', 'multi_select', 53],
      ['kids_table_age', 'select', 54],
      ['hometown_friends', 'radio', 55],
      ['friendsgiving', 'radio', 56],
      ['black_friday', 'radio', 57],
      ['works_in_retail', 'radio', 58],
      ['works_on_black_friday', 'radio', 59],
      ['area', 'radio', 60],
      ['age', 'select', 61],
      ['gender', 'radio', 62],
      ['income', 'select', 63],
      ['region', 'select', 64],
    ],
  },
]

/** Reads both files; 20 ms. */
export function loadDemoForms(): readonly DemoForm[] {
  return SURVEYS.map((survey) => {
    const text = readFileSync(new URL(`data/${survey.file}`, import.meta.url), 'utf8')
    const [header, ...rows] = parseCsv(text)
    if (header === undefined) throw new Error(`${survey.file} is empty`)
    return {
      id: survey.id,
      name: survey.name,
      fields: survey.columns.map((column) => fieldOf(column, header, rows)),
      answers: rows.map((row) => ({ respondent: row[0] as string, data: dataOf(survey.columns, row) })),
    }
  })
}

function fieldOf(
  [key, type, from, to = from]: ColumnMap,
  header: readonly string[],
  rows: readonly string[][],
): DemoField {
  const label = labelOf(header[from] as string, type)
  if (type === 'text') return { key, label, type, pii: true }
  const columns = Array.from({ length: to - from + 1 }, (_, n) => rows.map((row) => row[from + n] as string))
  const values = inOrder([...new Set(columns.flat())].filter((cell) => cell !== ''))
  return { key, label, type, options: values.map((value) => ({ value, label: value })) }
}

/** SurveyMonkey writes `Question? Please select all that apply. - Choice` over each column of a multi-select. */
function labelOf(header: string, type: DemoField['type']): string {
  const question = type === 'multi_select' ? header.replace(/\s+-\s+[^-]*$/, '') : header
  return question.replace(/\s+/g, ' ').trim()
}

/** Ranges by their first number, what has none behind them; anything else as it first occurred. */
function inOrder(values: readonly string[]): readonly string[] {
  const numbers = values.map(firstNumber)
  if (numbers.filter(Number.isFinite).length * 2 <= values.length) return values
  return values.toSorted((a, b) => firstNumber(a) - firstNumber(b) || 0)
}

function firstNumber(value: string): number {
  const match = /^[>$\s]*(\d[\d,]*)/.exec(value)
  if (match === null) return Number.POSITIVE_INFINITY
  return Number((match[1] as string).replaceAll(',', '')) + (value.startsWith('>') ? 0.5 : 0)
}

/** Questions without an answer are left out, as a form would. */
function dataOf(columns: readonly ColumnMap[], row: readonly string[]): DemoAnswer['data'] {
  const data: Record<string, Json> = {}
  for (const [key, type, from, to = from] of columns) {
    const cells = row.slice(from, to + 1).filter((cell) => cell !== '')
    if (cells.length > 0) data[key] = type === 'multi_select' ? cells : (cells[0] as string)
  }
  return data
}

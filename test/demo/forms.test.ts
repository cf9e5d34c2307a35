/** The demo's forms hold every answer of the surveys: counted against figures published with the files. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseCsv } from '../../core/demo/csv.ts'
import { loadDemoForms } from '../../core/demo/forms.ts'

const [comma, thanksgiving] = loadDemoForms() as [
  ReturnType<typeof loadDemoForms>[number],
  ReturnType<typeof loadDemoForms>[number],
]

const count = (form: typeof comma, key: string, value: string) =>
  form.answers.filter(({ data }) => (Array.isArray(data[key]) ? data[key].includes(value) : data[key] === value)).length

describe('csv', () => {
  test.each([
    [
      'a,b\n1,2\n',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'a,b\r\n1,\r\n',
      [
        ['a', 'b'],
        ['1', ''],
      ],
    ],
    ['"a,1","b ""q""","c\nd"\n', [['a,1', 'b "q"', 'c\nd']]],
    ['a,', [['a', '']]],
    ['\ufeffa', [['a']]],
    ['', []],
    ['"",x', [['', 'x']]],
    ['a\n\nb', [['a'], [''], ['b']]],
  ])('%j', (text, records) => expect(parseCsv(text)).toEqual(records))

  test.each(['"a', '"a"b,c', 'x,"'])('%j is refused', (text) => expect(() => parseCsv(text)).toThrow(/CSV/))
})

describe('comma survey', () => {
  test('rows, options and counts', () => {
    expect(comma.answers).toHaveLength(1_129)
    expect(count(comma, 'oxford', "It's important for a person to be honest, kind, and loyal.")).toBe(641)
    expect(count(comma, 'heard_of_it', 'Yes')).toBe(655)
    expect(comma.answers.filter(({ data }) => data['heard_of_it'] === undefined)).toHaveLength(30)
    expect(comma.fields.find(({ key }) => key === 'age')?.options?.map(({ value }) => value)).toEqual([
      '18-29',
      '30-44',
      '45-60',
      '> 60',
    ])
    expect(comma.fields.find(({ key }) => key === 'income')?.options?.at(-1)?.value).toBe('$150,000+')
  })
})

describe('thanksgiving survey', () => {
  test('columns spread over the file become one question', () => {
    expect(thanksgiving.answers).toHaveLength(1_058)
    const pies = { Pumpkin: 729, Apple: 514, Pecan: 342, 'Sweet Potato': 152, Chocolate: 133, Cherry: 113 }
    for (const [pie, times] of Object.entries(pies)) expect(count(thanksgiving, 'pies', pie)).toBe(times)
    expect(count(thanksgiving, 'main_dish', 'Turkey')).toBe(859)
    expect(count(thanksgiving, 'gravy', 'No')).toBe(82)
    expect(thanksgiving.fields.find(({ key }) => key === 'pies')?.label).toBe(
      'Which type of pie is typically served at your Thanksgiving dinner? Please select all that apply.',
    )
  })

  test('headers that occur twice lose nothing', () => {
    expect(thanksgiving.answers.filter(({ data }) => data['sides_other'] !== undefined)).toHaveLength(111)
    expect(count(thanksgiving, 'sides', 'Other (please specify)')).toBe(111)
    expect(thanksgiving.answers.filter(({ data }) => data['desserts_other'] !== undefined)).toHaveLength(134)
  })

  test('every cell of the file is in an answer', () => {
    const file = new URL('../../core/demo/data/thanksgiving-2015-poll-data.csv', import.meta.url)
    const cells = parseCsv(readFileSync(file, 'utf8'))
      .slice(1)
      .flat()
      .filter((cell) => cell !== '').length
    const kept = thanksgiving.answers.flatMap(({ data }) => Object.values(data).flat()).length
    expect(kept + thanksgiving.answers.length).toBe(cells)
  })

  test.each([comma, thanksgiving])('answers use offered options only ($id)', ({ fields, answers }) => {
    for (const { key, options } of fields) {
      const offered = new Set(options?.map(({ value }) => value))
      for (const { data } of answers)
        for (const value of [data[key] ?? []].flat()) if (options) expect(offered.has(value as string)).toBe(true)
    }
  })
})

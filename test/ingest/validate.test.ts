/** Answers against forms: every field type, in JSON and as a browser sends it. */
import { describe, expect, test } from 'vitest'
import type { Json } from '../../core/contract/index.ts'
import { parseForm } from '../../core/ingest/form-definition.ts'
import { isDate, utcTime } from '../../core/ingest/times.ts'
import { compileForm } from '../../core/ingest/validate.ts'
import type { AnswerSource } from '../../core/ingest/validate.ts'
import { LIMITS } from '../../core/limits.ts'
import { FIELD_TYPES } from '../../core/model.ts'

const compile = (wire: object) => {
  const parsed = parseForm({ name: 'x', ...wire })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return compileForm({
    ...parsed.definition,
    id: 'x',
    workspace: 'default',
    version: 1,
    managedBy: 'api',
    createdAt: '',
    updatedAt: '',
  })
}

const REFUSED = Symbol('refused')
const OPTIONS = ['red', 'green', { value: 'b', label: 'Blue' }]

/** One answer through one field; the normal form, `undefined` when it is left out, or REFUSED. */
function through(
  field: object,
  answer: Json | undefined,
  how: { source?: AnswerSource; partial?: boolean } = {},
): unknown {
  const form = compile({ fields: [{ key: 'q', ...field }] })
  const checked = form.check(answer === undefined ? {} : { q: answer }, {
    source: how.source ?? 'json',
    partial: how.partial ?? false,
  })
  if (checked.ok) return checked.data['q']
  expect(checked.problems.map(({ pointer }) => pointer)).toEqual(['/data/q'])
  return REFUSED
}

const CASES: Record<
  (typeof FIELD_TYPES)[number],
  readonly (readonly [field: object, answer: Json, result: unknown])[]
> = {
  text: [
    [{}, 'hi\nthere', 'hi\nthere'],
    [{}, '', ''],
    [{}, ' kept ', ' kept '],
    [{}, 5, REFUSED],
    [{}, true, REFUSED],
    [{}, ['a'], REFUSED],
    [{}, { a: 1 }, REFUSED],
    [{ max: 3 }, 'abc', 'abc'],
    [{ max: 3 }, 'abcd', REFUSED],
    [{ min: 2 }, 'a', REFUSED],
    [{ required: true }, '', REFUSED],
  ],
  long_text: [
    [{}, 'x'.repeat(10_000), 'x'.repeat(10_000)],
    [{}, 'x'.repeat(262_145), REFUSED],
  ],
  email: [
    [{}, ' Ada@Example.com ', 'Ada@Example.com'],
    [{}, 'a+b@sub.example.co', 'a+b@sub.example.co'],
    [{}, 'müller@käse.de', 'müller@käse.de'],
    [{}, 'a@b', REFUSED],
    [{}, 'a@b@c.de', REFUSED],
    [{}, 'a b@c.de', REFUSED],
    [{}, 'a@-b.de', REFUSED],
    [{}, 'a@b..de', REFUSED],
    [{}, 'a@b.de\r\nBcc: x@y.zz', REFUSED],
    [{}, `${'a'.repeat(65)}@b.de`, REFUSED],
    [{}, `a@${'b.'.repeat(130)}de`, REFUSED],
    [{}, 7, REFUSED],
    [{}, '', undefined],
  ],
  number: [
    [{}, 0, 0],
    [{}, -1.5, -1.5],
    [{}, '5', REFUSED],
    [{}, Infinity, REFUSED],
    [{ min: 1, max: 3 }, 1, 1],
    [{ min: 1, max: 3 }, 3, 3],
    [{ min: 1, max: 3 }, 0.999, REFUSED],
    [{ min: 1, max: 3 }, 3.001, REFUSED],
  ],
  boolean: [
    [{}, true, true],
    [{}, false, false],
    [{ required: true }, false, false],
    [{}, 'true', REFUSED],
    [{}, 1, REFUSED],
  ],
  date: [
    [{}, '2024-02-29', '2024-02-29'],
    [{}, '2023-02-29', REFUSED],
    [{}, '2000-02-29', '2000-02-29'],
    [{}, '1900-02-29', REFUSED],
    [{}, '2024-04-31', REFUSED],
    [{}, '2024-13-01', REFUSED],
    [{}, '2024-1-1', REFUSED],
    [{}, '2024-01-01T00:00:00Z', REFUSED],
    [{}, 20240101, REFUSED],
  ],
  datetime: [
    [{}, '2026-05-31T09:30:00Z', '2026-05-31T09:30:00.000Z'],
    [{}, '2026-05-31t09:30:00.123456+02:00', '2026-05-31T07:30:00.123Z'],
    [{}, '2026-01-01T00:30:00+01:00', '2025-12-31T23:30:00.000Z'],
    [{}, '2026-05-31T09:30:00', REFUSED],
    [{}, '2026-05-31 09:30:00Z', REFUSED],
    [{}, '2026-05-31T24:00:00Z', REFUSED],
    [{}, '2026-05-31T23:59:60Z', REFUSED],
    [{}, '2026-02-30T00:00:00Z', REFUSED],
    [{}, '2026-05-31T09:30:00+24:00', REFUSED],
  ],
  select: [
    [{ options: OPTIONS }, 'b', 'b'],
    [{ options: OPTIONS }, 'Blue', REFUSED],
    [{ options: OPTIONS }, 'toString', REFUSED],
    [{ options: OPTIONS }, ['red'], REFUSED],
  ],
  radio: [
    [{ options: OPTIONS }, 'red', 'red'],
    [{ options: OPTIONS }, 'Red', REFUSED],
    [{ options: ['1'] }, 1, REFUSED],
  ],
  multi_select: [
    [{ options: OPTIONS }, ['red', 'b'], ['red', 'b']],
    [{ options: OPTIONS }, ['red', 'red'], ['red']],
    [{ options: OPTIONS }, [], []],
    [{ options: OPTIONS, required: true }, [], REFUSED],
    [{ options: OPTIONS }, 'red', REFUSED],
    [{ options: OPTIONS }, ['red', 'pink'], REFUSED],
    [{ options: OPTIONS }, ['red', null], REFUSED],
  ],
  rating: [
    [{}, 5, 5],
    [{}, 6, REFUSED],
    [{}, 0, REFUSED],
    [{}, 2.5, REFUSED],
    [{}, '3', REFUSED],
    [{ max: 10 }, 10, 10],
    [{ min: 0, max: 10 }, 0, 0],
  ],
  file: [
    [{}, 'https://example.com/cv.pdf', 'https://example.com/cv.pdf'],
    [
      {},
      { url: 'https://example.com/cv.pdf', name: 'cv.pdf', type: 'application/pdf', size: 9 },
      { url: 'https://example.com/cv.pdf', name: 'cv.pdf', type: 'application/pdf', size: 9 },
    ],
    [{}, 'file:///etc/passwd', REFUSED],
    [{}, 'javascript:alert(1)', REFUSED],
    [{}, '/etc/passwd', REFUSED],
    [{}, { url: 'https://a.de', filepath: '/etc/passwd' }, REFUSED],
    [{}, { url: 'https://a.de', size: -1 }, REFUSED],
    [{}, {}, REFUSED],
    [{}, ['https://a.de'], REFUSED],
  ],
  hidden: [
    [{}, 'utm', 'utm'],
    [{}, 3, 3],
    [{}, false, false],
    [{}, { a: 1 }, REFUSED],
  ],
}

describe.each(FIELD_TYPES)('%s', (type) => {
  test.each(CASES[type].map(([field, answer, result]) => ({ field, answer, result })))(
    '$field $answer',
    ({ field, answer, result }) => {
      expect(through({ type, ...field }, answer)).toEqual(result)
    },
  )

  test('null and absent are unanswered: refused when required, unless the response is partial', () => {
    const options = ['select', 'radio', 'multi_select'].includes(type) ? { options: OPTIONS } : {}
    for (const answer of [null, undefined]) {
      expect(through({ type, ...options }, answer)).toBeUndefined()
      expect(through({ type, ...options, required: true }, answer)).toBe(REFUSED)
      expect(through({ type, ...options, required: true }, answer, { partial: true })).toBeUndefined()
    }
  })

  test('what is accepted once is accepted again, unchanged', () => {
    for (const [field, answer, result] of CASES[type]) {
      if (result === REFUSED || result === undefined) continue
      const normal = through({ type, ...field }, answer) as Json
      expect(through({ type, ...field }, normal)).toEqual(normal)
    }
  })
})

test('a partial response still has every answer it brings checked', () => {
  expect(through({ type: 'number' }, 'seven', { partial: true })).toBe(REFUSED)
})

test.each<[object, Json, unknown]>([
  [{ type: 'number' }, ' -1.5e2 ', -150],
  [{ type: 'number' }, '0x10', REFUSED],
  [{ type: 'number' }, '1,5', REFUSED],
  [{ type: 'number' }, '1e999', REFUSED],
  [{ type: 'number' }, '', undefined],
  [{ type: 'rating' }, '4', 4],
  [{ type: 'boolean' }, 'on', true],
  [{ type: 'boolean' }, 'No', false],
  [{ type: 'boolean' }, 'maybe', REFUSED],
  [{ type: 'datetime' }, '2026-05-31T09:30', '2026-05-31T09:30:00.000Z'],
  [{ type: 'multi_select', options: OPTIONS }, 'red', ['red']],
  [{ type: 'multi_select', options: OPTIONS }, ['red', 'green'], ['red', 'green']],
  [
    { type: 'file' },
    { name: 'cv.pdf', type: 'application/pdf', size: 10 },
    { name: 'cv.pdf', type: 'application/pdf', size: 10 },
  ],
  [{ type: 'text' }, ['two', 'of them'], REFUSED],
])('from a browser: %j %j', (field, answer, result) => {
  expect(through(field, answer, { source: 'html' })).toEqual(result)
})

test('a checkbox that is not ticked is false, and a required yes-or-no must be answered', () => {
  expect(through({ type: 'boolean' }, undefined, { source: 'html' })).toBe(false)
  expect(through({ type: 'boolean', required: true }, undefined, { source: 'html' })).toBe(REFUSED)
})

test('a number is within answerNumberMax, however it is sent and whatever its form says', () => {
  const { answerNumberMax } = LIMITS
  for (const type of ['number', 'hidden'])
    for (const sign of [1, -1]) {
      expect(through({ type }, sign * answerNumberMax)).toBe(sign * answerNumberMax)
      expect(through({ type }, sign * answerNumberMax * 2)).toBe(REFUSED)
    }
  expect(through({ type: 'number', max: 1e300 }, '1e200', { source: 'html' })).toBe(REFUSED)
  const checked = compile({ fields: [{ key: 'q', type: 'number' }] }).check(
    { q: 1.7e308 },
    { source: 'json', partial: false },
  )
  expect(checked).toEqual({
    ok: false,
    problems: [{ pointer: '/data/q', detail: 'must be within ±1000000000000000' }],
  })
})

describe('answers that are no field', () => {
  test('are kept as they came', () => {
    const checked = compile({ fields: [{ key: 'a' }] }).check(
      { a: 'x', b: { c: [1, null] } },
      { source: 'json', partial: false },
    )
    expect(checked).toEqual({ ok: true, data: { a: 'x', b: { c: [1, null] } } })
  })

  test('are refused when the form says so, each by its pointer', () => {
    const checked = compile({ fields: [{ key: 'a' }], unknown_fields: 'refuse' }).check(
      { a: 'x', 'b/c': 1, d: 2 },
      { source: 'json', partial: false },
    )
    expect(checked.ok ? [] : checked.problems.map(({ pointer }) => pointer)).toEqual(['/data/b~1c', '/data/d'])
  })

  test('may have any name and change nothing but themselves', () => {
    const answers = JSON.parse('{"__proto__":{"polluted":1},"constructor":2,"toString":3,"hasOwnProperty":4}') as {
      [key: string]: Json
    }
    const checked = compile({}).check(answers, { source: 'json', partial: false })
    if (!checked.ok) throw new Error('refused')
    expect(JSON.stringify(checked.data)).toBe(
      '{"__proto__":{"polluted":1},"constructor":2,"toString":3,"hasOwnProperty":4}',
    )
    expect(Object.getPrototypeOf(checked.data)).toBeNull()
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('a form field is not answered by what every object inherits', () => {
    expect(
      compile({ fields: [{ key: 'valueOfIt', required: true }] }).check({}, { source: 'json', partial: false }).ok,
    ).toBe(false)
  })
})

test('every day from 1899 to 2101 exists exactly when the calendar of the machine has it', () => {
  for (let year = 1899; year <= 2101; year++) {
    for (let month = 1; month <= 12; month++) {
      for (const day of [0, 1, 28, 29, 30, 31, 32]) {
        const text = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
        const date = new Date(Date.UTC(year, month - 1, day))
        const exists = day > 0 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
        expect(isDate(text), text).toBe(exists)
      }
    }
  }
})

test('times are the instants that Date reads, at any offset', () => {
  for (const text of [
    '2024-02-29T23:59:59.999-12:00',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '1970-01-01T05:30:00+05:30',
  ]) {
    expect(utcTime(text)).toBe(new Date(text).toISOString())
  }
  // Beyond year 9999 or before year 0 there is no four-digit year to write it with.
  expect(utcTime('9999-12-31T23:59:59-01:00')).toBeNull()
  expect(utcTime('0000-01-01T00:00:00+01:00')).toBeNull()
})

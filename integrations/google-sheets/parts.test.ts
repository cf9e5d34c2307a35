/** Cells, columns, header plans and outcomes: the parts that need no spreadsheet. */
import { describe, expect, test } from 'vitest'
import { columnName, rangeOf, spreadsheetId } from './api.ts'
import { cellOf, serialOf } from './cells.ts'
import { takeRows } from './chunks.ts'
import { planHeader } from './header.ts'
import { outcomeOf } from './outcome.ts'

const plain = { timeZone: 'Europe/Berlin', csvGuard: false }

describe('cells', () => {
  test.each([
    ['text', '=HYPERLINK("x")', '=HYPERLINK("x")'],
    ['text', 12, '12'],
    ['text', ['a', 'b'], 'a, b'],
    ['text', { file: 'x' }, '{"file":"x"}'],
    ['text', '', null],
    ['text', undefined, null],
    ['text', 'half \ud83d', 'half \ufffd'],
    ['number', 1.5, 1.5],
    ['number', '1.5', 1.5],
    ['number', '1,5', '1,5'],
    ['number', ' ', ' '],
    ['number', ' -2e3 ', -2_000],
    ['number', '0x1F', '0x1F'],
    ['number', '007', '007'],
    ['number', '1e999', '1e999'],
    ['number', '1e-400', '1e-400'],
    ['number', 'Infinity', 'Infinity'],
    ['number', '12345678901234567890', '12345678901234567890'],
    ['number', '0.1234567890123456', '0.1234567890123456'],
    ['number', '123456789012345', 123_456_789_012_345],
    ['boolean', false, false],
    ['boolean', 'true', true],
    ['boolean', 'yes', 'yes'],
    ['date', '1899-12-31', 1],
    ['date', '2026-02-30T', '2026-02-30T'],
    ['date', '2026-02-31', '2026-02-31'],
    ['date', '2026-13-45', '2026-13-45'],
    ['date', '2026-00-10', '2026-00-10'],
    ['date', '2024-02-29', 45_351],
    ['date', '2025-02-29', '2025-02-29'],
    ['date', '2026-03-01T00:30:00+05:00', 46_082],
    ['datetime', '2026-02-31T10:00:00Z', '2026-02-31T10:00:00Z'],
    ['datetime', '2026-03-01T24:00', '2026-03-01T24:00'],
    // A wall clock's, wherever the hub stands.
    ['datetime', '2026-03-01T12:00', 46_082.5],
    ['datetime', '2026-03-01T12:00:00.500-05:00', 46_082 + (18 + 0.5 / 3_600) / 24],
    ['datetime', '2026-01-01T00:00:00Z', 46_023 + 1 / 24],
    ['datetime', '2026-07-01T00:00:00Z', 46_204 + 2 / 24],
    ['datetime', 'tomorrow', 'tomorrow'],
  ] as const)('%s %j', (type, value, cell) => {
    const got = cellOf(value, type, plain)
    if (typeof cell === 'number') expect(got).toBeCloseTo(cell, 8)
    else expect(got).toBe(cell)
  })

  test('days and hours in other zones, over the change of summer time and before 1900', () => {
    // New York: the hour from 2 to 3 of 8 March 2026 does not exist.
    const at = (text: string) => (serialOf(text, 'datetime', 'America/New_York') ?? 0) * 24
    expect(at('2026-03-08T07:00:00Z') - at('2026-03-08T06:59:00Z')).toBeCloseTo(1 + 1 / 60, 5)
    expect(serialOf('2026-01-01T23:30:00Z', 'date', 'Asia/Tokyo')).toBe(46_024)
    expect(serialOf('1899-12-29', 'date', 'UTC')).toBe(-1)
  })

  test.each(['=1', '+1', '-1', '@x', '\tx', '\rx'])('guard for CSV: %j', (text) => {
    expect(cellOf(text, 'text', { ...plain, csvGuard: true })).toBe(`'${text}`)
    expect(cellOf(text, 'text', plain)).toBe(text)
  })

  test('what is longer than a cell is cut with a mark, and not in the middle of a character', () => {
    const cell = cellOf('😀'.repeat(30_000), 'text', plain) as string
    expect(cell.length).toBeLessThanOrEqual(50_000)
    expect(cell).toMatch(/… \[cut: 60000 characters\]$/)
    expect(cell.isWellFormed()).toBe(true)
    expect(cellOf('x'.repeat(50_000), 'text', plain)).toHaveLength(50_000)
  })
})

test('names of columns, ranges and spreadsheets', () => {
  expect([0, 25, 26, 51, 701, 702].map(columnName)).toEqual(['A', 'Z', 'AA', 'AZ', 'ZZ', 'AAA'])
  expect(rangeOf("It's", 'A1')).toBe("'It''s'!A1")
  expect(spreadsheetId('https://docs.google.com/spreadsheets/d/1AbC_d-e/edit#gid=0')).toBe('1AbC_d-e')
  expect(spreadsheetId('1AbC_d-e')).toBe('1AbC_d-e')
})

describe('the header', () => {
  const column = (header: string) => ({ header, type: 'text' as const, value: () => null })
  const wanted = ['Id', 'A', 'B'].map(column)
  const plan = (header: string[], known: string[] = [], policy: 'recreate' | 'skip' | 'stop' = 'recreate') => {
    const { places, added, missing } = planHeader({ header, wanted, known: new Set(known), policy })
    return { places: Object.fromEntries(places), added: added.map((each) => each.header), missing }
  }
  test.each([
    [plan([]), { places: { Id: 0, A: 1, B: 2 }, added: ['Id', 'A', 'B'], missing: [] }],
    [plan(['B', 'x', 'Id']), { places: { B: 0, x: 1, Id: 2, A: 3 }, added: ['A'], missing: [] }],
    [plan(['', 'Id', 'A', 'A', 'B']), { places: { Id: 1, A: 2, B: 4 }, added: [], missing: [] }],
    [plan(['Id', 'B'], ['Id', 'A', 'B'], 'skip'), { places: { Id: 0, B: 1 }, added: [], missing: ['A'] }],
    // The id is never left out: rows are recognised by it.
    [plan(['A', 'B'], ['Id', 'A', 'B'], 'skip'), { places: { A: 0, B: 1, Id: 2 }, added: ['Id'], missing: ['Id'] }],
  ])('%#', (got, expected) => expect(got).toEqual(expected))
})

describe('what the answers mean', () => {
  const google = (code: number, status: string, message: string, reason?: string) =>
    JSON.stringify({ error: { code, status, message, ...(reason === undefined ? {} : { details: [{ reason }] }) } })
  const about = { email: 'bot@x.iam.gserviceaccount.com', tab: 'Answers' }
  test.each([
    [
      400,
      google(400, 'INVALID_ARGUMENT', "Unable to parse range: 'X'!A1"),
      { outcome: 'dead', code: 'tab_missing', disable: true },
    ],
    [
      400,
      google(
        400,
        'INVALID_ARGUMENT',
        'This action would increase the number of cells in the workbook above the limit of 10000000 cells.',
      ),
      { outcome: 'dead', code: 'spreadsheet_full', disable: true },
    ],
    [
      400,
      google(400, 'INVALID_ARGUMENT', 'You are trying to edit a protected cell or object.'),
      { outcome: 'dead', code: 'protected', disable: true },
    ],
    [
      400,
      google(400, 'FAILED_PRECONDITION', 'This operation is not supported for this document'),
      { outcome: 'dead', code: 'not_a_spreadsheet', disable: true },
    ],
    [400, google(400, 'INVALID_ARGUMENT', 'Invalid values[1][2]'), { outcome: 'dead', code: 'rejected' }],
    [
      401,
      google(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.'),
      { outcome: 'unauthorized' },
    ],
    [403, google(403, 'PERMISSION_DENIED', 'The caller does not have permission'), { outcome: 'unauthorized' }],
    [
      403,
      google(403, 'PERMISSION_DENIED', 'Google Sheets API has not been used in project 1', 'SERVICE_DISABLED'),
      { outcome: 'unauthorized' },
    ],
    [403, google(403, 'PERMISSION_DENIED', 'Rate Limit Exceeded', 'rateLimitExceeded'), { outcome: 'retry' }],
    [
      404,
      google(404, 'NOT_FOUND', 'Requested entity was not found.'),
      { outcome: 'dead', code: 'not_found', disable: true },
    ],
    [408, '', { outcome: 'retry', code: 'http_408' }],
    [
      429,
      google(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded for quota metric'),
      { outcome: 'retry', code: 'http_429', afterMs: 7_000 },
    ],
    [500, google(500, 'INTERNAL', 'Internal error encountered.'), { outcome: 'retry', code: 'http_500' }],
    [502, '<html>Bad Gateway</html>', { outcome: 'retry', code: 'http_502' }],
    [
      503,
      google(503, 'UNAVAILABLE', 'The service is currently unavailable.'),
      { outcome: 'retry', code: 'http_503', afterMs: 7_000 },
    ],
    [504, '', { outcome: 'retry', code: 'http_504' }],
    [302, '', { outcome: 'dead', code: 'http_302' }],
    [409, google(409, 'ABORTED', 'The operation was aborted.'), { outcome: 'retry' }],
    [412, '', { outcome: 'dead', code: 'http_412' }],
  ] as const)('%i %s', (status, body, expected) => {
    const headers = { 'retry-after': '7' }
    const got = outcomeOf({ status, headers, body }, about)
    expect(got).toMatchObject(expected)
    const words = body.startsWith('{') ? (JSON.parse(body) as { error: { message: string } }).error.message : ''
    expect(JSON.stringify(got)).toContain(JSON.stringify(words).slice(1, -1))
    if (status === 403 && got.outcome === 'unauthorized' && !body.includes('SERVICE_DISABLED'))
      expect(got.message).toContain(about.email)
  })
})

test('pieces of a request: in order, none too large, not more than asked for', () => {
  const bytes = [500_000, 300_000, 2_000_000, 200_000, 1]
  const take = (from: number, rowsMax = 10) => {
    const cellsOf = (size: number) => ['x'.repeat(size)]
    const taken = takeRows(bytes.slice(from), { sheetId: 7, cellsOf, rowsMax, bytesMax: 900_000 })
    return { rows: taken.rows.map(({ row }) => row), tooLarge: taken.tooLarge }
  }
  expect(take(0)).toEqual({ rows: [500_000, 300_000], tooLarge: [2_000_000] })
  expect(take(3)).toEqual({ rows: [200_000, 1], tooLarge: [] })
  expect(take(0, 1)).toEqual({ rows: [500_000], tooLarge: [] })
})

test('cells as the API takes them: text is never a formula', () => {
  const cells = ['=1+1', null, 1.5, false]
  const taken = takeRows([0], { sheetId: 7, cellsOf: () => cells, rowsMax: 1, bytesMax: 1_000 })
  expect(taken.rows.map(({ json }) => JSON.parse(json) as unknown)).toEqual([
    {
      appendCells: {
        sheetId: 7,
        fields: 'userEnteredValue',
        rows: [
          {
            values: [
              { userEnteredValue: { stringValue: '=1+1' } },
              {},
              { userEnteredValue: { numberValue: 1.5 } },
              { userEnteredValue: { boolValue: false } },
            ],
          },
        ],
      },
    },
  ])
})

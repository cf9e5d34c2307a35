/** A list as CSV: streamed page by page, with nothing in it that a spreadsheet would run. */
import type { Page, Query } from '../api.ts'
import type { Visit } from '../visit.ts'

interface CsvOf<Row> {
  readonly visit: Visit
  readonly name: string
  readonly columns: readonly {
    readonly label: string
    readonly csv?: (row: Row) => string | number | boolean | null
  }[]
  readonly load: (place: Query) => Promise<Page<Row>>
}

const ROWS_PER_PAGE = 200
const ROWS_MAX = 100_000
/** Excel takes a file without it for one of its own old code pages. */
const BYTE_ORDER_MARK = '\uFEFF'

/**
 * Every row that the filters let through, at most `ROWS_MAX`; read as the browser takes it. Rejects with what the first page does,
 * so that a filter that is refused is no file.
 */
export async function csvAnswer<Row>({ visit, name, columns, load }: CsvOf<Row>): Promise<Response> {
  const shown = columns.flatMap(({ label, csv }) => (csv === undefined ? [] : [{ label, csv }]))
  const first = await load({ limit: ROWS_PER_PAGE, cursor: undefined })
  async function* lines(): AsyncGenerator<string> {
    yield csvLine(shown.map(({ label }) => label))
    let count = 0
    for (let page = first; ; page = await load({ limit: ROWS_PER_PAGE, cursor: page.next_cursor })) {
      yield page.items.map((row) => csvLine(shown.map(({ csv }) => csv(row)))).join('')
      count += page.items.length
      if (page.next_cursor === null) return
      if (count >= ROWS_MAX) return yield csvLine([`Only the first ${ROWS_MAX} rows are here: narrow the list down.`])
    }
  }
  return csvFile(visit, name, lines())
}

/** Lines as a file, read as the browser takes them. */
export function csvFile(
  visit: Pick<Visit, 'requestId'>,
  name: string,
  lines: Iterable<string> | AsyncIterable<string>,
): Response {
  const day = new Date().toISOString().slice(0, 10)
  return new Response(ReadableStream.from(encoded(lines)), {
    headers: {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="${name.replaceAll(/[^\w.-]/g, '_')}-${day}.csv"`,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'x-request-id': visit.requestId,
    },
  })
}

async function* encoded(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  yield encoder.encode(BYTE_ORDER_MARK)
  for await (const text of texts) yield encoder.encode(text)
}

type Value = string | number | boolean | null

/** One line (RFC 4180). */
export const csvLine = (values: readonly Value[]): string => `${values.map(field).join(',')}\r\n`

/**
 * A sign of a formula where a field begins, also to a spreadsheet whose separator is another one: to that, a quote behind the comma
 * is a letter like others, and semicolons, tabs and line ends cut the field into several.
 */
const FORMULAS = /(?<=(?:^|[;\t\r\n])[\s"]*)[=+\-@\uFF0B\uFF0D\uFF1D\uFF20]/g

/** What a spreadsheet would run begins with an apostrophe instead. */
function field(value: Value): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  return `"${value.replaceAll(FORMULAS, "'$&").replaceAll('"', '""')}"`
}

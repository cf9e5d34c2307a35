/** Reads CSV as RFC 4180 has it: quotes, doubled quotes, commas and line breaks inside them, LF or CRLF. */

const QUOTE = '"'

/** All records, the header row included. A quote that never closes is an error: half a file must not look whole. */
export function parseCsv(text: string): string[][] {
  const records: string[][] = []
  let record: string[] = []
  let at = text.startsWith('\ufeff') ? 1 : 0
  while (at < text.length) {
    const cell = text[at] === QUOTE ? quotedCell(text, at) : bareCell(text, at)
    record.push(cell.value)
    at = cell.end
    if (text[at] === ',') {
      at += 1
      // A comma that ends the text has an empty cell behind it.
      if (at === text.length) record.push('')
      else continue
    }
    if (text[at] === '\r') at += 1
    if (text[at] === '\n') at += 1
    records.push(record)
    record = []
  }
  return records
}

interface Cell {
  readonly value: string
  /** Index of what follows: a comma, a line break or the end. */
  readonly end: number
}

function bareCell(text: string, start: number): Cell {
  let end = start
  while (
    end < text.length &&
    text[end] !== ',' &&
    text[end] !== '\n' &&
    !(text[end] === '\r' && text[end + 1] === '\n')
  ) {
    end += 1
  }
  return { value: text.slice(start, end), end }
}

function quotedCell(text: string, start: number): Cell {
  let value = ''
  let from = start + 1
  for (;;) {
    const close = text.indexOf(QUOTE, from)
    if (close < 0) throw new Error(`CSV: the quote at character ${start + 1} is never closed`)
    value += text.slice(from, close)
    if (text[close + 1] !== QUOTE) {
      const next = text[close + 1]
      if (next !== undefined && next !== ',' && next !== '\n' && next !== '\r') {
        throw new Error(`CSV: character ${close + 2} follows a closing quote`)
      }
      return { value, end: close + 1 }
    }
    value += QUOTE
    from = close + 2
  }
}

/** YAML's own complaints in words for somebody who does not know its grammar, at the line that has to be changed. */

/** A complaint of the parser; `offset` is where it noticed. */
export interface Complaint {
  readonly code: string
  readonly message: string
  readonly offset: number
}

/** What to say, and where in the text. */
export interface YamlMistake {
  readonly offset: number
  readonly message: string
  readonly hint: string | null
}

/** A line with something in it. `start` is its offset in the text, `indent` the number of blanks it begins with. */
interface Line {
  readonly number: number
  readonly start: number
  readonly text: string
  readonly indent: number
}

/** Complaints that the parser makes when lines do not stand where it expects them; one such slip causes several. */
const LAYOUT: ReadonlySet<string> = new Set([
  'BAD_INDENT',
  'BLOCK_AS_IMPLICIT_KEY',
  'MISSING_CHAR',
  'MULTILINE_IMPLICIT_KEY',
  'NON_STRING_KEY',
  'TAB_AS_INDENT',
])

/** In the order of the complaints. What follows from a slip in the layout is not told beside it. */
export function explainYaml(text: string, complaints: readonly Complaint[]): readonly YamlMistake[] {
  const slip = complaints.findIndex(isLayout)
  const lines = linesOf(text)
  const variable = complaints.find(({ offset }) => text.slice(offset - 1, offset + 1) === '${')
  return complaints.flatMap((complaint, index) => {
    if (complaint === variable) return [unquoted(text, complaint)]
    // What the parser makes of the rest of that line.
    if (variable !== undefined && isBehind(text, variable, complaint)) return []
    if (complaint.code === 'DUPLICATE_KEY') return [duplicate(complaint, lines)]
    if (!isLayout(complaint)) return [plain(complaint)]
    return index === slip ? [layoutSlip(complaint, lines) ?? plain(complaint)] : []
  })
}

const isBehind = (text: string, { offset }: Complaint, other: Complaint): boolean =>
  other.offset > offset && !text.slice(offset, other.offset).includes('\n')

/** Between `{ }` or `[ ]` the braces of a variable are YAML's own. */
function unquoted(text: string, { offset }: Complaint): YamlMistake {
  const before = /[^\s,:[\]{}]*(?::\/\/[^\s,[\]{}]*)?\$$/.exec(text.slice(0, offset))?.[0] ?? '$'
  const variable = /^\{[^}\n]*\}[^\s,[\]{}]*/.exec(text.slice(offset))?.[0] ?? '{VAR}'
  return {
    offset: offset - before.length,
    message: 'a variable between { } or [ ] is read as part of those',
    hint: `put it in quotes: "${before}${variable}"`,
  }
}

/** Brackets and quotes that are not closed are noticed anywhere behind them. */
const isLayout = ({ code, message }: Complaint): boolean => LAYOUT.has(code) && !/^(Flow|Missing closing)/.test(message)

function linesOf(text: string): readonly Line[] {
  let start = 0
  return text.split('\n').flatMap((line, index) => {
    const found = { number: index + 1, start, text: line, indent: /^[ \t]*/.exec(line)?.[0].length ?? 0 }
    start += line.length + 1
    return /^\s*(#|$)/.test(line) ? [] : [found]
  })
}

/** The line it was noticed in, with its neighbours. */
function around(lines: readonly Line[], offset: number): { before: readonly Line[]; line: Line; next?: Line } | null {
  const at = lines.findLastIndex(({ start }) => start <= offset)
  const line = lines[at]
  const next = lines[at + 1]
  return line === undefined ? null : { before: lines.slice(0, at), line, ...(next === undefined ? {} : { next }) }
}

const DASH = /^\s*-(?=\s|$)/

/** The commonest ways to put a line where it does not belong; null: none of them. */
function layoutSlip({ offset }: Complaint, lines: readonly Line[]): YamlMistake | null {
  const place = around(lines, offset)
  if (place === null) return null
  const { before, line, next } = place
  const at = (inLine: number): number => line.start + inLine
  if (line.text.slice(0, line.indent).includes('\t'))
    return { offset: at(line.text.indexOf('\t')), message: 'a tab is used to indent', hint: 'indent with spaces' }
  const glued = /^(\s*(?:- +)?[\w-]+):(?=[^\s:/])/.exec(line.text)
  if (glued !== null) return missingSpace(at((glued[1] as string).length), ':')
  const [, key = '', value = ''] = /^(\s*(?:- +)*[\w-]+: +)(\S.*)$/.exec(line.text) ?? []
  if (/^\{\{|^[^"'{[|>&*!#].*: /.test(value))
    return { offset: at(key.length), message: 'this text has "{{" or ": " in it', hint: 'put it in quotes' }
  const gluedDash = /^(\s*)-(?=[A-Za-z]+:)/.exec(line.text)
  if (gluedDash !== null) return missingSpace(at((gluedDash[1] as string).length), '-')
  const list = listAround(before, line)
  if (DASH.test(line.text)) {
    if (list === undefined || list.indent === line.indent) return null
    const message = `this "-" begins at column ${line.indent + 1}, those of the same list at column ${list.indent + 1} (line ${list.number})`
    return { offset: at(line.indent), message, hint: 'put them below each other' }
  }
  if (list !== undefined && list.indent === line.indent)
    return {
      offset: at(line.indent),
      message: 'an item of the list begins without "-"',
      hint: `write "- ${line.text.trim()}"`,
    }
  return outOfLine(before, line, next)
}

const missingSpace = (offset: number, mark: string): YamlMistake => ({
  offset,
  message: `a space is missing after "${mark}"`,
  hint: null,
})

/** The last item that this line could belong beside: of the list that is nearest to its own column. */
function listAround(before: readonly Line[], { indent }: Line): Line | undefined {
  const items = before.filter(({ text }) => DASH.test(text))
  const distance = (item: Line): number => Math.abs(item.indent - indent)
  return items.toReversed().reduce<Line | undefined>((best, item) => {
    return best === undefined || distance(item) < distance(best) ? item : best
  }, undefined)
}

/** A line that begins left or right of its neighbours, by a blank or two. */
function outOfLine(before: readonly Line[], line: Line, next: Line | undefined): YamlMistake | null {
  const previous = before.at(-1)
  if (next !== undefined && next.indent > line.indent && hasValue(line)) return deeper(next, line)
  if (previous === undefined || line.indent === keyColumn(previous)) return null
  if (line.indent > keyColumn(previous) && hasValue(previous)) return deeper(line, previous)
  const message = `begins at column ${line.indent + 1}, the line before at column ${keyColumn(previous) + 1}`
  const hint = 'what belongs together begins at the same column'
  return { offset: line.start + line.indent, message, hint }
}

const deeper = (line: Line, above: Line): YamlMistake => ({
  offset: line.start + line.indent,
  message: `is indented deeper than line ${above.number}, which has its value already`,
  hint: `begin it at column ${keyColumn(above) + 1}, or leave what follows ":" in line ${above.number} out`,
})

/** Where its key begins: an item's is behind the dash. */
const keyColumn = ({ text, indent }: Line): number => indent + (/^(?:- +)+/.exec(text.slice(indent))?.[0].length ?? 0)

const hasValue = ({ text }: Line): boolean => /:\s+[^\s#]/.test(text)

function duplicate({ offset }: Complaint, lines: readonly Line[]): YamlMistake {
  const place = around(lines, offset)
  const key = /^\s*([\w-]+):/.exec(place?.line.text ?? '')?.[1]
  const begins = key !== undefined && place?.before.some(({ text }) => new RegExp(`^\\s*- +${key}:`).test(text))
  const hint =
    begins === true
      ? `keep one of the two; if a new item of the list begins here: "- ${key}: …"`
      : 'keep one of the two'
  return { offset, message: 'the same key is written twice', hint }
}

function plain({ code, message, offset }: Complaint): YamlMistake {
  const first = (message.split('\n')[0] as string).replace(/\.$/, '')
  return { offset, ...inWords(code, first) }
}

function inWords(code: string, first: string): { message: string; hint: string | null } {
  switch (code) {
    case 'TAB_AS_INDENT':
      return { message: 'a tab is used to indent', hint: 'indent with spaces' }
    case 'BAD_INDENT':
      return first.startsWith('Flow ')
        ? { message: 'a bracket or brace that was opened before is not closed here', hint: 'close it with ] or }' }
        : { message: first, hint: 'check the spaces at the start of this line and of the one before' }
    case 'MISSING_CHAR':
    case 'BLOCK_IN_FLOW':
      return { message: first, hint: 'a quote, bracket or brace before this place is not closed, or a ":" is missing' }
    case 'MULTIPLE_DOCS':
      return { message: 'there is a second document after "---"', hint: 'keep one document in the file' }
    case 'NON_STRING_KEY':
      return { message: 'keys must be plain text', hint: null }
    case 'TAG_RESOLVE_FAILED':
      return { message: first, hint: 'leave the "!tag" out' }
    default:
      return { message: first, hint: null }
  }
}

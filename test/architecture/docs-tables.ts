/** The tables of README.md that are made from code, each between its markers. */
import { exitCodesTable } from '../../core/cli/exit-codes.ts'
import { settingsTable } from '../../core/config/settings.ts'
import { ERRORS } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'

/** Marker name → table. `<!-- errors:start -->` and `<!-- errors:end -->` enclose what stands in the README. */
export const TABLES: Readonly<Record<string, () => string>> = {
  errors: errorsTable,
  limits: limitsTable,
  settings: settingsTable,
  'exit-codes': exitCodesTable,
}

/** The README with every table between its markers made anew; throws when a marker is missing or doubled. */
export function withTables(readme: string, tables: typeof TABLES = TABLES): string {
  return Object.entries(tables).reduce((text, [name, make]) => {
    const start = `<!-- ${name}:start -->`
    const end = `<!-- ${name}:end -->`
    const parts = text.split(start)
    const tail = parts[1]?.split(end)
    if (parts.length !== 2 || tail?.length !== 2) throw new Error(`README.md needs one ${start} … ${end}`)
    return `${parts[0]}${start}\n${make()}\n${end}${tail[1]}`
  }, readme)
}

function errorsTable(): string {
  const rows = Object.entries(ERRORS).map(([code, row]) => [
    `\`${code}\``,
    String(row.status),
    row.retryable ? 'yes' : 'no',
    row.act,
    row.title,
  ])
  return table(['code', 'status', 'try again', 'who acts', 'meaning'], rows)
}

function limitsTable(): string {
  return table(
    ['limit', 'value'],
    Object.entries(LIMITS).map(([name, value]) => [`\`${name}\``, humanValue(name, value)]),
  )
}

/** The unit is the end of the name; the value is told the way one would say it. */
function humanValue(name: string, value: number): string {
  if (/Bytes(Max)?(Ceiling)?$/.test(name))
    return value % 1_048_576 === 0 ? `${value / 1_048_576} MiB` : `${value / 1_024} KiB`
  if (/Mb(Ceiling)?$/.test(name)) return `${value} MB`
  if (/Ms(Max)?(Ceiling)?$/.test(name)) return humanDuration(value)
  if (name.endsWith('PerSecond')) return `${value} a second`
  if (name.endsWith('Fraction')) return `${value * 100} %`
  return value.toLocaleString('en-GB')
}

function humanDuration(ms: number): string {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ] as const
  const unit = units.find(([size]) => ms >= size && ms % size === 0)
  return unit === undefined ? `${ms} ms` : `${ms / unit[0]} ${unit[1]}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** How results are shown: a table for people, and verdicts against the budgets. */

/** Prints it under its title. */
export const printTable = (title: string, head: readonly string[], rows: readonly (readonly string[])[]): void =>
  void process.stdout.write(`\n## ${title}\n\n${tableText(head, rows)}\n`)

/** Aligned for a terminal, and still Markdown. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

export interface Verdict {
  readonly what: string
  readonly value: number
  readonly budget: number
  /** `min`: at least the budget; `max`: at most. */
  readonly sense: 'min' | 'max'
  readonly unit: string
}

export const holds = ({ value, budget, sense }: Verdict): boolean =>
  sense === 'min' ? value >= budget : value <= budget

/** Prints all verdicts; false when one does not hold. */
export function printVerdicts(verdicts: readonly Verdict[]): boolean {
  if (verdicts.length === 0) return true
  printTable(
    'Against the budgets',
    ['what', 'measured', 'budget', ''],
    verdicts.map((verdict) => [
      verdict.what,
      `${figure(verdict.value)} ${verdict.unit}`.trim(),
      `${verdict.sense === 'min' ? '≥' : '≤'} ${figure(verdict.budget)} ${verdict.unit}`.trim(),
      holds(verdict) ? 'holds' : 'MISSED',
    ]),
  )
  return verdicts.every(holds)
}

/** Three figures that matter, thousands separated. */
export function figure(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-GB')
  return String(Number(value.toPrecision(3)))
}

export const progress = (text: string): void => void process.stderr.write(`bench: ${text}\n`)

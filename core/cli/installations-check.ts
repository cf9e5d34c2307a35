/** `manifold installations check`: plugins look at their own credentials and settings. `doctor` asks the same. */
import type { Run } from './call.ts'
import { count } from './count.ts'
import { CliError } from './exit-codes.ts'
import { connect } from './hub-client.ts'
import type { HubClient } from './hub-client.ts'
import { checked, installationList } from './rows.ts'
import type { FindingRow } from './rows.ts'

/** Of one installation; `at` is null where its plugin has no check. */
export interface CheckedRow {
  readonly installation: string
  readonly at: string | null
  readonly findings: readonly FindingRow[]
}

/** One after the other. What cannot be asked is a finding, too. */
export async function checkAll(hub: HubClient, ids: readonly string[]): Promise<readonly CheckedRow[]> {
  const rows: CheckedRow[] = []
  for (const installation of ids) {
    const path = `/api/v2/installations/${encodeURIComponent(installation)}/check`
    try {
      const { at, findings } = await hub.request('POST', path, { as: checked })
      rows.push({ installation, at, findings })
    } catch (error) {
      if (ids.length === 1) throw error
      const message = error instanceof Error ? error.message : String(error)
      rows.push({ installation, at: null, findings: [{ level: 'warning', message, at: null, code: null }] })
    }
  }
  return rows
}

/** `/sheet/id` as an admin reads it: `with.sheet.id: `. */
export const placed = ({ at, message }: FindingRow): string =>
  at === null || at === '' ? message : `with${at.replaceAll('/', '.')}: ${message}`

const MARKS = { error: ['red', '✖'], warning: ['yellow', '⚠'], info: ['green', '·'] } as const

export const run: Run = async (call) => {
  const hub = connect(call)
  const [named] = call.args
  const ids =
    named === undefined
      ? (await hub.request('GET', '/api/v2/installations', { as: installationList })).items.map(({ id }) => id)
      : [named]
  const rows = await checkAll(hub, ids)
  const { terminal } = call
  if (call.options['json']) terminal.json({ items: rows })
  else
    for (const { installation, at, findings } of rows) {
      if (findings.length === 0)
        terminal.line(
          at === null ? '- ' : terminal.paint('green', '✔ '),
          `${installation}: ${at === null ? 'has no check' : 'all is well'}`,
        )
      for (const finding of findings) {
        const [colour, mark] = MARKS[finding.level as keyof typeof MARKS] ?? MARKS.info
        terminal.line(terminal.paint(colour, mark), ` ${installation}: ${placed(finding)}`)
      }
    }
  const wrong = rows.flatMap(({ findings }) => findings).filter(({ level }) => level === 'error').length
  if (wrong > 0) throw new CliError('failed', `${count(wrong, 'error')} found.`)
}

/** `manifold status`: the running hub at a glance. */
import type { Run } from './call.ts'
import { formatProblem } from '../config/format-problems.ts'
import { discardLeft } from '../registry/gone.ts'
import { wordsOf } from '../registry/pinning.ts'
import { count } from './count.ts'
import { HOOKS_AGAIN, stoppedHooks, stoppedLines } from './hooks-stopped.ts'
import { connect } from './hub-client.ts'
import { installationTable, leftOf, troubles } from './installations.ts'
import {
  configStatus,
  installationList,
  me as meRow,
  pluginList,
  processList,
  quarantinePage,
  readiness,
} from './rows.ts'
import type { ConfigProblemRow, ProcessRow } from './rows.ts'
import type { Terminal } from './terminal.ts'

export const run: Run = async (call) => {
  const hub = connect(call)
  const [me, ready, config, installations, plugins, processes, quarantine, stopped] = await Promise.all([
    hub.request('GET', '/api/v2/me', { as: meRow }),
    hub.request('GET', '/readyz', { as: readiness }),
    hub.request('GET', '/api/v2/config', { as: configStatus }),
    hub.request('GET', '/api/v2/installations', { as: installationList }),
    hub.request('GET', '/api/v2/plugins', { as: pluginList }),
    hub.request('GET', '/api/v2/processes', { as: processList }),
    hub.request('GET', '/api/v2/quarantine?limit=1', { as: quarantinePage }),
    stoppedHooks(hub),
  ])
  const approvals = plugins.items.flatMap(({ id, version, needs_approval: waits }) =>
    waits === null ? [] : [{ id, version, running: waits.running, gone: waits.gone, diff: waits.diff }],
  )
  const { terminal } = call
  if (call.options['json']) {
    return terminal.json({
      url: hub.url,
      version: me.version,
      workspace: me.workspace,
      ready: ready.ready,
      checks: ready.checks,
      config,
      installations: installations.items,
      gone: installations.gone,
      approvals,
      processes: processes.items,
      quarantine: quarantine.total,
      hooks_stopped: stopped,
    })
  }
  const failing = ready.checks.filter((check) => !check.ok).map((check) => `${check.name}: ${check.detail ?? 'failed'}`)
  terminal.line(
    `${hub.url}  version ${me.version}  `,
    ready.ready ? terminal.paint('green', 'ready') : terminal.paint('red', `not ready (${failing.join('; ')})`),
  )
  terminal.line(`configuration: ${config.file ?? 'defaults, no file'}, loaded ${config.loaded_at}`)
  if (!config.in_step)
    terminal.line(
      terminal.paint(
        'yellow',
        config.problems.length > 0
          ? 'the file on disk was not taken over, the last good one runs; what a start would say: manifold config check'
          : 'the file on disk is not what runs',
      ),
    )
  for (const problem of config.problems) terminal.line(terminal.paint('red', `  ${placed(problem)}`))
  for (const warning of config.warnings) terminal.line(terminal.paint('yellow', `  warning: ${placed(warning)}`))
  for (const { id, version, running, gone, diff } of approvals) {
    const waits = { id, version: version ?? '', running, isGone: gone, diff: diff.join('\n') }
    const meanwhile = running === null ? 'its installations stand still' : `${running} as it was granted runs on`
    const { reason, todo } = wordsOf(waits)
    terminal.line(terminal.paint('yellow', gone ? reason : `${id} ${version ?? ''} waits for approval, ${meanwhile}:`))
    if (!gone) for (const line of diff) terminal.line(`  ${line}`)
    terminal.line(`  → ${gone ? todo : `manifold plugin approve ${id}`}`)
  }
  terminal.line('')
  installationTable(terminal, installations.items)
  for (const item of installations.items) {
    for (const line of troubles(item)) terminal.line(`${item.id}: ${line}`)
  }
  for (const item of installations.gone) {
    terminal.line(terminal.paint('yellow', `${item.id} ${leftOf(item)}`))
    terminal.line(`  → ${discardLeft(item.id)}`)
  }
  if (quarantine.total > 0)
    terminal.line(`${count(quarantine.total, 'response')} in quarantine, see: manifold quarantine`)
  for (const line of stoppedLines(stopped)) terminal.line(terminal.paint('yellow', `nothing is sent to ${line}`))
  if (stopped.length > 0) terminal.line(`  → ${HOOKS_AGAIN}`)
  showProcesses(terminal, processes.items)
}

const placed = ({ file, line, column, ...problem }: ConfigProblemRow): string =>
  formatProblem({ ...problem, place: { file, line, column } }, process.cwd())

/** Nothing where there is one process. What differs from the one that was asked stands out: a fleet runs one file. */
function showProcesses(terminal: Terminal, processes: readonly ProcessRow[]): void {
  if (processes.length === 0) return
  const config = processes.find(({ asked }) => asked)?.config
  terminal.line('')
  terminal.table(
    ['process', 'role', 'at', 'version', 'silent', 'configuration', 'runs'],
    processes.map((row) => [
      `${row.id.slice(-6)}${row.asked ? ' (this)' : ''}`,
      row.role,
      row.url,
      row.version,
      `${(row.silent_ms / 1_000).toFixed(1)} s`,
      row.config === config ? 'the same' : terminal.paint('yellow', `another (${row.config.slice(0, 8)})`),
      row.installations.length,
    ]),
  )
}

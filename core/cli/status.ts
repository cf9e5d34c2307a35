/** `manifold status`: the running hub at a glance. */
import type { Run } from './call.ts'
import { connect } from './hub-client.ts'
import { configStatus, installationList, me as meRow, readiness } from './rows.ts'

export const run: Run = async (call) => {
  const hub = connect(call)
  const [me, ready, config, installations] = await Promise.all([
    hub.request('GET', '/api/v2/me', { as: meRow }),
    hub.request('GET', '/readyz', { as: readiness }),
    hub.request('GET', '/api/v2/config', { as: configStatus }),
    hub.request('GET', '/api/v2/installations', { as: installationList }),
  ])
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
  for (const problem of config.problems)
    terminal.line(terminal.paint('red', `  line ${problem.line}:${problem.column} ${problem.path} ${problem.message}`))
  terminal.line('')
  terminal.table(
    ['installation', 'plugin', 'state', 'behind', 'waiting', 'dead', 'delivered', 'last success'],
    installations.items.map((item) => [
      item.id,
      item.plugin,
      terminal.paint(item.state === 'ready' ? 'green' : 'yellow', item.state),
      item.lag,
      item.deliveries.pending + item.deliveries.retrying,
      item.deliveries.dead,
      item.deliveries.delivered,
      item.last_success_at,
    ]),
  )
  for (const item of installations.items) {
    if (item.reason !== null) terminal.line(`${item.id}: ${item.reason}`)
    for (const { host, until } of item.breakers)
      terminal.line(`${item.id}: ${host} failed repeatedly; deliveries wait, next probe ${until ?? 'under way'}`)
    const failedAt = item.last_failure_at ?? ''
    if (failedAt > (item.last_success_at ?? ''))
      terminal.line(`${item.id}: last failure ${failedAt}: ${item.last_error ?? ''}`)
    if (item.deliveries.dead > 0) terminal.line(`${item.id}: ${item.deliveries.dead} dead, see: manifold dead-letters`)
  }
}

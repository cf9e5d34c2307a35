/** `manifold replay`: sends again what died in a stretch of time; says how much that is first. */
import type { Call, Run } from './call.ts'
import { textOption, timeOption } from './call.ts'
import { connect } from './hub-client.ts'
import { replayed } from './rows.ts'

export const run: Run = async (call) => {
  const nowMs = Date.now()
  await replayAll(call, {
    since: timeOption(call, 'since', nowMs),
    until: timeOption(call, 'until', nowMs),
    installation: textOption(call, 'installation'),
    form: textOption(call, 'form'),
    reason: textOption(call, 'reason'),
    states: call.options['delivered'] ? ['dead', 'delivered'] : ['dead'],
  })
}

/** Counts, says so, and unless it is a dry run sends. */
export async function replayAll(call: Call, body: Readonly<Record<string, unknown>>): Promise<void> {
  const { terminal } = call
  const hub = connect(call)
  const counted = await hub.request('POST', '/api/v2/replay', { as: replayed, body: { ...body, dry_run: true } })
  if (call.options['dryRun']) {
    if (call.options['json']) return terminal.json(counted)
    return terminal.line(`${counted.matched} would be sent again`)
  }
  const bar = terminal.progress(`replaying ${counted.matched}`)
  bar.set(0)
  const done = await hub.request('POST', '/api/v2/replay', { as: replayed, body }).finally(() => bar.done())
  if (call.options['json']) return terminal.json(done)
  terminal.line(`${done.replayed} due now`)
}

/** `manifold plugin approve`: what is asked now beside what was granted, and a yes to exactly that. */
import { planApproval } from '../registry/approve.ts'
import { grantsOf } from '../registry/grants.ts'
import type { Run } from './call.ts'
import { settingsOf } from './call.ts'
import { confirm } from './confirm.ts'
import { runningHub } from './hub-client.ts'
import { find, look } from './plugin.ts'

export const run: Run = async (call) => {
  const [id = ''] = call.args
  const { plugins, broken } = await look(call)
  const { dataDir } = settingsOf(call)
  const plugin = find(id, plugins, broken)
  const { version } = plugin.manifest
  const plan = await planApproval(dataDir, plugin)
  const { terminal, options } = call
  if (plan === null) {
    if (options['json']) return terminal.json({ id, version, approved: false, diff: [] })
    return terminal.say(`${id} ${version} is what was granted; it asks for nothing more.`)
  }
  await confirm(call, question({ id, version, lines: plan.lines, asks: grantsOf(plugin.manifest) }))
  await plan.grant(Date.now())
  if (options['json']) return terminal.json({ id, version, approved: true, diff: plan.lines })
  terminal.say(`Granted to ${id} ${version}:\n${plan.lines.join('\n')}`)
  terminal.say(runningHub(dataDir) ? 'The running hub takes it up by itself.' : 'The next start uses it.')
}

interface Asked {
  readonly id: string
  readonly version: string
  readonly lines: readonly string[]
  readonly asks: readonly string[]
}

/** New first, then what stays: a yes is to the whole of it. */
function question({ id, version, lines, asks }: Asked): string {
  const added = new Set(lines.filter((line) => line.startsWith('+ ')).map((line) => line.slice(2)))
  const stays = asks.filter((line) => !added.has(line))
  return [
    `${id} ${version} on disk beside what was granted (+ new, - given up, ! other files):`,
    ...lines.map((line) => `  ${line}`),
    ...(stays.length === 0 ? [] : ['as before:', ...stays.map((line) => `    ${line}`)]),
  ].join('\n')
}

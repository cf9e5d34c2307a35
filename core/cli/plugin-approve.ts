/** `manifold plugin approve`: what is asked now beside what was granted, and a yes to exactly that. */
import { planApproval } from '../registry/approve.ts'
import { grantsOf } from '../registry/grants.ts'
import type { Run } from './call.ts'
import { settingsOf } from './call.ts'
import { confirm } from './confirm.ts'
import { runningHub } from './hub-client.ts'
import { find, look } from './plugin.ts'
import { sourcesJson, tellSources } from './source-changes.ts'

export const run: Run = async (call) => {
  const [id = ''] = call.args
  const { dataDir } = settingsOf(call)
  const plugin = find(id, await look(call))
  const { version } = plugin.manifest
  const plan = await planApproval(dataDir, plugin)
  const { terminal, options } = call
  if (plan === null) {
    if (options['json']) return terminal.json({ id, version, approved: false, hash: null, diff: [], sources: null })
    return terminal.say(`${id} ${version} is what was granted; it asks for nothing more.`)
  }
  const { lines, hash, sources } = plan
  if (options['yes'] !== true) tellSources(terminal, sources)
  await confirm(call, question({ id, version, hash, lines, asks: grantsOf(plugin.manifest) }))
  await plan.grant(Date.now())
  if (options['json'])
    return terminal.json({ id, version, approved: true, hash, diff: lines, sources: sourcesJson(sources) })
  terminal.say(`Granted to ${id} ${version}:\n${lines.join('\n')}`)
  terminal.say(runningHub(dataDir) ? 'The running hub takes it up by itself.' : 'The next start uses it.')
}

interface Asked {
  readonly id: string
  readonly version: string
  readonly hash: string
  readonly lines: readonly string[]
  readonly asks: readonly string[]
}

/** New first, then what stays: a yes is to the whole of it. */
function question({ id, version, hash, lines, asks }: Asked): string {
  const added = new Set(lines.filter((line) => line.startsWith('+ ')).map((line) => line.slice(2)))
  const stays = asks.filter((line) => !added.has(line))
  return [
    `${id} ${version} on disk beside what was granted (+ new, - given up, ! other files):`,
    ...lines.map((line) => `  ${line}`),
    ...(stays.length === 0 ? [] : ['as before:', ...stays.map((line) => `    ${line}`)]),
    `hash, as the API's approval names it: ${hash}`,
  ].join('\n')
}

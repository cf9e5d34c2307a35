/** `manifold plugin list|info`. */
import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { formatProblem } from '../config/format-problems.ts'
import type { Assembly } from '../registry/assemble.ts'
import type { DiscoveredPlugin } from '../registry/discover.ts'
import { discoverPlugins, rootsOf } from '../registry/discover.ts'
import { grantsOf } from '../registry/grants.ts'
import { shortHash, wordsOf } from '../registry/pinning.ts'
import { readManifest } from '../registry/read-manifest.ts'
import type { BrokenPlugin } from '../registry/installation.ts'
import type { Call, Run } from './call.ts'
import { assembled } from './config.ts'
import { CliError } from './exit-codes.ts'
import { settingRows } from './setting-rows.ts'

export interface Seen {
  readonly plugins: readonly DiscoveredPlugin[]
  readonly broken: readonly BrokenPlugin[]
  readonly assembly: Assembly | null
}

/** What there is, as far as the file can be read: a mistake in it must not hide the plugins. */
export async function look(call: Call): Promise<Seen> {
  const result = await assembled(call)
  if (!('problems' in result)) return { plugins: result.plugins, broken: result.brokenPlugins, assembly: result }
  call.terminal.say(
    `manifold.yaml is not valid, so its pluginDirs are not looked at:\n${result.problems.map((problem) => formatProblem(problem, process.cwd())).join('\n')}`,
  )
  const { found, broken } = await discoverPlugins(rootsOf([]))
  return { plugins: found, broken, assembly: null }
}

export const list: Run = async (call) => {
  const { plugins, broken, assembly } = await look(call)
  const users = (id: string) =>
    [
      ...(assembly?.installations ?? []).filter(({ plugin }) => plugin.manifest.id === id),
      ...(assembly?.brokenInstallations ?? []).filter(({ use }) => use === id),
    ].map((item) => item.id)
  const items = [
    ...plugins.map(({ manifest, origin, dir }) => {
      const waits = assembly?.pending.find(({ id }) => id === manifest.id)
      return {
        id: manifest.id,
        name: manifest.name,
        version: manifest.version,
        origin,
        state: waits ? 'needs-approval' : 'ready',
        description: manifest.description ?? null,
        used_by: users(manifest.id),
        dir,
        code: assembly?.loaded.get(manifest.id)?.bundle.hash ?? null,
        problems: waits ? waits.diff.split('\n') : [],
      }
    }),
    ...gonePlugins(assembly).map(({ waits, plugin: { manifest, origin, dir, bundle } }) => ({
      id: manifest.id,
      name: manifest.name,
      version: manifest.version,
      origin,
      state: 'gone',
      description: manifest.description ?? null,
      used_by: users(manifest.id),
      dir,
      code: bundle.hash,
      problems: Object.values(wordsOf(waits)),
    })),
    ...broken.map(({ id, dir, problems }) => ({
      id,
      name: id,
      version: null,
      origin: null,
      state: 'broken',
      description: null,
      used_by: users(id),
      dir,
      code: null,
      problems,
    })),
  ].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const { terminal } = call
  if (call.options['json']) return terminal.json({ items, next_cursor: null })
  terminal.table(
    ['plugin', 'version', 'origin', 'state', 'used by', 'what it does'],
    items.map((item) => [
      item.id,
      item.version,
      item.origin,
      terminal.paint(item.state === 'ready' ? 'green' : 'red', item.state),
      item.used_by.join(' '),
      item.description,
    ]),
  )
  for (const item of items) for (const problem of item.problems) terminal.say(`${item.id}: ${problem}`)
}

export const info: Run = async (call) => {
  const [id = ''] = call.args
  const seen = await look(call)
  const { plugins, assembly } = seen
  const plugin = isFolder(id) ? await readFolder(id) : find(id, seen)
  const { manifest } = plugin
  const isUsed = plugins.some(({ dir }) => dir === plugin.dir)
  const pending = assembly?.pending.find((item) => item.id === manifest.id && isUsed) ?? null
  const granted = (isUsed ? assembly?.granted[manifest.id] : undefined) ?? null
  const { terminal } = call
  if (call.options['json'])
    return terminal.json({
      ...manifest,
      dir: plugin.dir,
      origin: plugin.origin,
      grants: grantsOf(manifest),
      granted,
      pending,
    })
  terminal.line(
    terminal.paint('bold', manifest.name),
    ` ${manifest.version} (${manifest.id}, ${plugin.origin}, ${plugin.dir})`,
  )
  if (manifest.description) terminal.line(manifest.description)
  terminal.line('\nmay:')
  for (const grant of grantsOf(manifest)) terminal.line(`  ${grant}`)
  if (granted !== null)
    terminal.line(`\ngranted: version ${granted.version}, ${granted.grantedAt}, code ${shortHash(granted.hash)}`)
  if (pending)
    terminal.line(
      `\nwaits for approval (${pending.running ?? 'nothing'} runs):\n${pending.diff.replace(/^/gm, '  ')}\n  hash: ${pending.hash ?? 'none, it cannot be bundled'}`,
    )
  const actions = Object.keys(manifest.actions)
  if (actions.length > 0) terminal.line(`\nactions: ${actions.join(', ')}`)
  for (const [name, { cron, timezone }] of Object.entries(manifest.schedules))
    terminal.line(`schedule ${name}: ${cron} (${timezone})`)
  const { transform } = manifest
  if (transform !== undefined)
    terminal.line(`transform of ${transform.on.join(' and ')} responses; when it fails: ${transform.whenFails}`)
  const settings = settingRows(manifest.config)
  if (settings.length === 0) return terminal.line('\nno settings')
  terminal.line('\nsettings (with):')
  terminal.table(
    ['name', 'type', 'needed', 'default', 'meaning'],
    settings.map((row) => [row.name, row.type, row.isNeeded ? 'yes' : 'no', row.default, row.meaning]),
  )
}

/** Those whose folder is not there any more and whose granted code runs on. */
function gonePlugins(assembly: Assembly | null) {
  return (assembly?.pending ?? []).flatMap((waits) => {
    const plugin = waits.isGone ? assembly?.loaded.get(waits.id) : undefined
    return plugin === undefined ? [] : [{ waits, plugin }]
  })
}

/** Ids have neither dots nor slashes. */
const isFolder = (name: string): boolean => /[./\\]/.test(name)

/** A plugin that no `pluginDirs` leads to yet. */
async function readFolder(folder: string): Promise<DiscoveredPlugin> {
  const dir = await realpath(resolve(folder)).catch(() => {
    throw new CliError('failed', `There is no folder ${folder}.`)
  })
  const read = await readManifest(dir)
  if ('problems' in read) throw new CliError('failed', read.problems.join('\n'))
  return { manifest: read.manifest, dir, origin: 'community' }
}

/** The plugin of that id, or what there is instead. */
export function find(id: string, { plugins, broken, assembly }: Seen): DiscoveredPlugin {
  const plugin = plugins.find(({ manifest }) => manifest.id === id)
  if (plugin) return plugin
  const problems = broken.filter((item) => item.id === id).flatMap((item) => item.problems)
  if (problems.length > 0) throw new CliError('failed', problems.join('\n'))
  const gone = assembly?.pending.find((waits) => waits.isGone && waits.id === id)
  if (gone !== undefined) {
    const { reason, todo } = wordsOf(gone)
    throw new CliError('failed', `There is nothing to look at or to approve: ${reason}.`, todo)
  }
  throw new CliError(
    'failed',
    `There is no plugin "${id}".`,
    `there are: ${plugins.map(({ manifest }) => manifest.id).join(', ') || 'none'}; others are found when pluginDirs of manifold.yaml names the folder they are in`,
  )
}

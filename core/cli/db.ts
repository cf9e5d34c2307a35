/** `manifold db migrate|backup|restore|accept-loss|reclaim`: works on the database itself, be it a file of the data folder or DATABASE_URL. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { StorageOperations } from '../storage/operations.ts'
import type { Call, Run } from './call.ts'
import { settingsOf } from './call.ts'
import { confirm } from './confirm.ts'
import { existing } from './existing.ts'
import { CliError } from './exit-codes.ts'
import { runningHub } from './hub-client.ts'
import { NEW } from './verb.ts'

const storageFor = async (call: Call): Promise<StorageOperations> => {
  const { storageOf } = await import('../backends.ts')
  return await storageOf(settingsOf(call))
}

export const migrate: Run = async (call) => {
  const { dataDir } = settingsOf(call)
  const storage = await storageFor(await existing(call, NEW))
  const before = await storage.status()
  const run = before.pending.length > 0 && !call.options['dryRun']
  if (run) {
    if (!storage.shared) refuseWhileRunning(dataDir)
    await storage.migrate()
  }
  const after = await storage.status()
  if (call.options['json'])
    return call.terminal.json({
      from: before.current,
      to: after.current,
      latest: after.latest,
      pending: after.pending,
      ran: run ? before.pending : [],
    })
  if (before.pending.length === 0) return call.terminal.say(`The schema is up to date (version ${before.current}).`)
  call.terminal.say(
    run ? `Migrated from version ${before.current} to ${after.current}.` : `Would run: ${before.pending.join(', ')}`,
  )
}

export const backup: Run = async (call) => {
  const [name = ''] = call.args
  const file = resolve(name)
  if (existsSync(file) && !call.options['force'])
    throw new CliError('failed', `${file} exists.`, 'choose another name, or replace it with --force')
  const storage = await storageFor(call)
  const bar = call.terminal.progress('backing up')
  await storage.backup(file, (fraction) => bar.set(fraction)).finally(() => bar.done())
  if (call.options['json']) return call.terminal.json({ file })
  call.terminal.say(`Backed up to ${file}.`)
}

export const restore: Run = async (call) => {
  const [name = ''] = call.args
  const file = resolve(name)
  const storage = await storageFor(call)
  await refuseWhileUsed(call, storage)
  if (!existsSync(file)) throw new CliError('failed', `There is no file ${file}.`)
  const replaced = await storage.replaces(file)
  if (replaced !== null) await confirm(call, replaced)
  const restored = await storage.restore(file)
  if (call.options['json'])
    return call.terminal.json({
      file,
      events: restored.events,
      responses: restored.responses,
      kept_as: restored.keptAs,
    })
  call.terminal.say(`Restored ${restored.responses} responses and ${restored.events} events.`)
  if (restored.keptAs !== null) call.terminal.say(`The database that was there is kept as ${restored.keptAs}.`)
}

export const acceptLoss: Run = async (call) => {
  const { dataDir } = settingsOf(call)
  const storage = await storageFor(call)
  if (storage.acceptLoss === null)
    throw new CliError(
      'failed',
      'accept-loss is for the SQLite file of a data folder; DATABASE_URL names a Postgres.',
      'put a backup back with: manifold db restore FILE',
    )
  refuseWhileRunning(dataDir)
  await confirm(call, `Events that are missing in ${dataDir} would be given up for good.`)
  const lost = await storage.acceptLoss()
  if (call.options['json']) return call.terminal.json({ lost })
  call.terminal.say(
    lost.length === 0
      ? 'Nothing is missing.'
      : `Given up: ${lost.map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ')}.`,
  )
}

export const reclaim: Run = async (call) => {
  const storage = await storageFor(call)
  await refuseWhileUsed(call, storage)
  const departure = await storage.departure()
  if (departure === null) throw new CliError('failed', 'This database was not moved away; hubs can use it.')
  await confirm(
    call,
    `It was moved to ${departure.to} (${departure.at}). Hubs would go on with what it held then: whatever came since is missing here, and is sent again if it is sent from both.`,
  )
  await storage.reclaim()
  if (call.options['json']) return call.terminal.json({ moved_to: departure.to, moved_at: departure.at })
  call.terminal.say('Hubs can use it again.')
}

/** Ends the command when a hub of this machine runs on the data folder. */
export function refuseWhileRunning(dataDir: string): void {
  const hub = runningHub(dataDir)
  if (hub) throw new CliError('failed', `A hub runs on ${dataDir} (${hub.url}, process ${hub.pid}).`, 'stop it first')
}

async function refuseWhileUsed(call: Call, storage: StorageOperations): Promise<void> {
  if (!storage.shared) return refuseWhileRunning(settingsOf(call).dataDir)
  const hubs = await storage.hubs()
  if (hubs.length > 0)
    throw new CliError(
      'failed',
      `Hubs use this database: ${hubs.join(', ')}.`,
      'stop them first; a process that was killed counts as gone after 15 s',
    )
}

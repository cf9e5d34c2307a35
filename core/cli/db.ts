/** `manifold db migrate|backup|restore|accept-loss`: works on the files of the data folder. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Call, Run } from './call.ts'
import { settingsOf } from './call.ts'
import { CliError } from './exit-codes.ts'
import { runningHub } from './hub-client.ts'

const backends = async () => (await import('../main.ts')).storage

export const migrate: Run = async (call) => {
  const { dataDir } = settingsOf(call)
  const storage = await backends()
  const before = storage.migrationStatus(dataDir)
  const run = before.pending.length > 0 && !call.options['dryRun']
  if (run) {
    refuseWhileRunning(dataDir)
    await (await storage.open(dataDir)).close()
  }
  const after = storage.migrationStatus(dataDir)
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
  const { dataDir } = settingsOf(call)
  if (existsSync(file) && !call.options['force'])
    throw new CliError('failed', `${file} exists.`, 'choose another name, or replace it with --force')
  const bar = call.terminal.progress('backing up')
  const storage = await backends()
  await storage.backup({ dataDir, file, progress: (fraction) => bar.set(fraction) }).finally(() => bar.done())
  if (call.options['json']) return call.terminal.json({ file })
  call.terminal.say(`Backed up to ${file}.`)
}

export const restore: Run = async (call) => {
  const [name = ''] = call.args
  const file = resolve(name)
  const { dataDir } = settingsOf(call)
  refuseWhileRunning(dataDir)
  const storage = await backends()
  if (!existsSync(file)) throw new CliError('failed', `There is no file ${file}.`)
  if (storage.migrationStatus(dataDir).current > 0)
    await confirm(call, `${dataDir} holds a database; it would be moved aside and ${file} put in its place.`)
  const restored = await storage.restore({ dataDir, file })
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
  refuseWhileRunning(dataDir)
  const storage = await backends()
  await confirm(call, `Events that are missing in ${dataDir} would be given up for good.`)
  const lost = storage.acceptLoss(dataDir)
  if (call.options['json']) return call.terminal.json({ lost })
  call.terminal.say(
    lost.length === 0
      ? 'Nothing is missing.'
      : `Given up: ${lost.map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ')}.`,
  )
}

function refuseWhileRunning(dataDir: string): void {
  const hub = runningHub(dataDir)
  if (hub) throw new CliError('failed', `A hub runs on ${dataDir} (${hub.url}, process ${hub.pid}).`, 'stop it first')
}

/** What cannot be taken back has to be meant: --yes, or an answer at the keyboard. */
async function confirm({ terminal, options }: Call, what: string): Promise<void> {
  if (options['yes']) return
  terminal.say(what)
  if (!terminal.interactive || !process.stdin.isTTY) throw new CliError('usage', 'This has to be meant.', 'say --yes')
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await lines.question('Go on? [y/N] ').finally(() => lines.close())
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('failed', 'Nothing was changed.')
}

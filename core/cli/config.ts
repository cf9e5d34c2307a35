/** `manifold config check|print|schema`. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { ConfigProblem } from '../config/config.ts'
import { doubtsLeft } from '../config/doubts.ts'
import { formatProblem } from '../config/format-problems.ts'
import { printableConfig, printConfig } from '../config/print.ts'
import { editorSchema } from '../config/schema.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { Assembly } from '../registry/assemble.ts'
import { assemble } from '../registry/assemble.ts'
import { knownPlugins, Schemas } from '../registry/schemas.ts'
import type { Call, Run } from './call.ts'
import { settingsOf } from './call.ts'
import { count } from './count.ts'
import { CliError } from './exit-codes.ts'
import { connect, runningHub } from './hub-client.ts'

/**
 * Everything the file leads to, or its mistakes; nothing is granted or written but the bundle cache. A hub that runs on the
 * data folder says how strict that is: what it refuses is not called ready here.
 */
export async function assembled(call: Call): Promise<Assembly | { readonly problems: readonly ConfigProblem[] }> {
  const { configFile, dataDir, production } = settingsOf(call)
  return assemble({
    file: configFile,
    env: call.env,
    dataDir,
    record: false,
    pinned: production || runningHub(dataDir)?.production === true,
    nowMs: Date.now(),
  })
}

/** A hub that runs on the data folder knows forms that are not the file's. */
export async function doubtsNow(call: Call, doubts: readonly ConfigProblem[]): Promise<readonly ConfigProblem[]> {
  if (runningHub(settingsOf(call).dataDir) === null) return doubts
  const hub = connect(call)
  return doubtsLeft(doubts, async ({ workspace, id }) => {
    if (workspace !== DEFAULT_WORKSPACE) return false
    await hub.request('GET', `/api/v2/forms/${encodeURIComponent(id)}`, { as: z.unknown() })
    return true
  })
}

export const check: Run = async (call) => {
  const { configFile } = settingsOf(call)
  const result = await assembled(call)
  const refused = 'problems' in result
  const problems = refused ? result.problems : result.config.quarantined.flatMap((entry) => entry.problems)
  const doubts = refused ? [] : await doubtsNow(call, result.doubts)
  const { terminal } = call
  for (const doubt of doubts) if (!call.options['json']) terminal.say(`warning: ${formatProblem(doubt, process.cwd())}`)
  if (call.options['json']) {
    terminal.json({
      file: configFile,
      ok: problems.length === 0,
      refused,
      problems: problems.map(({ place, ...problem }) => ({ ...place, ...problem })),
      warnings: doubts.map(({ place, path, message, hint }) => ({ ...place, path, message, hint })),
      installations: refused ? [] : result.installations.map(({ id }) => id),
      set_aside: refused ? [] : result.brokenInstallations.map(({ id, state, reason }) => ({ id, state, reason })),
    })
  } else for (const problem of problems) terminal.line(formatProblem(problem, process.cwd()))
  if (refused)
    throw new CliError('config', `${count(problems.length, 'mistake')}; the hub would not start with this file.`)
  const aside = result.brokenInstallations.length
  if (aside > 0)
    throw new CliError(
      'failed',
      `${aside} of ${count(result.installations.length + aside, 'installation')} would be set aside; the rest would run.`,
    )
  terminal.say(
    `${configFile ?? '(no file)'} ${doubts.length === 0 ? 'is right' : `would run, with ${count(doubts.length, 'warning')}`}: ${count(result.config.forms.length, 'form')}, ${count(result.installations.length, 'installation')}`,
  )
}

export const print: Run = async (call) => {
  const { configFile } = settingsOf(call)
  if (configFile === null)
    throw new CliError('config', 'There is no manifold.yaml here.', 'name it with --config, or make one: manifold init')
  const result = await assembled(call)
  if ('problems' in result)
    throw new CliError('config', result.problems.map((problem) => formatProblem(problem, process.cwd())).join('\n'))
  const input = {
    file: configFile,
    text: await readFile(configFile, 'utf8'),
    env: call.env,
    plugins: knownPlugins(result.plugins, result.brokenPlugins, new Schemas(null)),
    redacted: call.options['redacted'] === true,
  }
  if (call.options['json']) return call.terminal.json(printableConfig(input))
  call.terminal.line(printConfig(input).trimEnd())
}

export const schema: Run = async (call) => {
  const result = await assembled(call)
  // A broken file must not keep its author from the schema that would help to mend it.
  const plugins = 'problems' in result ? await ownPlugins() : result.plugins
  call.terminal.json(editorSchema(plugins.map(({ manifest }) => manifest)))
}

async function ownPlugins(): Promise<Assembly['plugins']> {
  const { discoverPlugins, rootsOf } = await import('../registry/discover.ts')
  return (await discoverPlugins(rootsOf([]))).found
}

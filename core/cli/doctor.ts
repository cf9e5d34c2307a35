/** `manifold doctor`: what could be wrong on this machine and in the running hub, each with its cause and its cure. */
import { spawn } from 'node:child_process'
import { access, constants, mkdir, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatProblem } from '../config/format-problems.ts'
import type { Call, Run } from './call.ts'
import { settingsOf } from './call.ts'
import { assembled } from './config.ts'
import { count } from './count.ts'
import { CliError } from './exit-codes.ts'
import { connect, hasHub } from './hub-client.ts'
import { configStatus, installationList, readiness } from './rows.ts'

interface Finding {
  readonly name: string
  readonly level: 'ok' | 'warn' | 'fail'
  readonly detail: string
  /** A command or a deed. */
  readonly fix: string | null
}

const NODE_MAJOR_MIN = 24
const FREE_BYTES_MIN = 1_073_741_824

const ok = (name: string, detail: string): Finding => ({ name, level: 'ok', detail, fix: null })
const warn = (name: string, detail: string, fix: string): Finding => ({ name, level: 'warn', detail, fix })
const bad = (name: string, detail: string, fix: string): Finding => ({ name, level: 'fail', detail, fix })

type Check = (call: Call) => Promise<readonly Finding[]>

/** In the order they are shown. */
const CHECKS: Readonly<Record<string, Check>> = {
  node: checkNode,
  sandbox: checkSandbox,
  data: checkData,
  database: checkDatabase,
  configuration: checkConfig,
  hub: checkHub,
}

export const run: Run = async (call) => {
  const lists = await Promise.all(
    Object.entries(CHECKS).map(([name, check]) =>
      check(call).catch((error: unknown) => [
        bad(name, error instanceof Error ? error.message : String(error), 'see above'),
      ]),
    ),
  )
  const findings = lists.flat()
  const { terminal } = call
  if (call.options['json']) terminal.json({ ok: findings.every(({ level }) => level !== 'fail'), findings })
  else {
    for (const { name, level, detail, fix } of findings) {
      const mark =
        level === 'ok'
          ? terminal.paint('green', '✔')
          : level === 'warn'
            ? terminal.paint('yellow', '⚠')
            : terminal.paint('red', '✖')
      terminal.line(mark, ` ${name}: ${detail}${fix === null ? '' : `\n    → ${fix}`}`)
    }
  }
  const failed = findings.filter(({ level }) => level === 'fail').length
  if (failed > 0) throw new CliError('failed', `${failed} ${failed === 1 ? 'thing is' : 'things are'} wrong.`)
}

async function checkNode(): Promise<Finding[]> {
  const major = Number(process.versions.node.split('.')[0])
  return [
    major >= NODE_MAJOR_MIN
      ? ok('node', process.version)
      : bad('node', `${process.version} is too old`, `use Node ${NODE_MAJOR_MIN} or newer, or start with: npm start`),
  ]
}

/** The native module must load in a process like those that run plugins. */
async function checkSandbox(): Promise<Finding[]> {
  const child = spawn(
    process.execPath,
    ['--no-node-snapshot', '-e', "new (require('isolated-vm').Isolate)().dispose()"],
    {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const code = await new Promise<number | null>((done, failed) => child.on('close', done).on('error', failed))
  return [
    code === 0
      ? ok('sandbox', 'isolates can be made')
      : bad(
          'sandbox',
          `isolated-vm does not load: ${said.trim().split('\n').at(-1) ?? ''}`,
          'install again: rm -rf node_modules && npm ci',
        ),
  ]
}

async function checkData(call: Call): Promise<Finding[]> {
  const { dataDir } = settingsOf(call)
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    return [
      bad(
        'data folder',
        `${dataDir} cannot be used (${(error as NodeJS.ErrnoException).code})`,
        'make it writable for this user, or name another with --data',
      ),
    ]
  }
  const { bavail, bsize } = await statfs(dataDir)
  const freeBytes = bavail * bsize
  const free = `${(freeBytes / 1_073_741_824).toFixed(1)} GB free`
  return [
    ok('data folder', dataDir),
    freeBytes < FREE_BYTES_MIN ? warn('disk', free, `make room on the disk of ${dirname(dataDir)}`) : ok('disk', free),
  ]
}

async function checkDatabase(call: Call): Promise<Finding[]> {
  const { storage } = await import('../main.ts')
  const { current, latest, pending } = storage.migrationStatus(settingsOf(call).dataDir)
  if (current === 0) return [ok('database', 'none yet; the first start makes it')]
  if (current > latest)
    return [
      bad(
        'database',
        `its schema (version ${current}) is newer than this program's (${latest})`,
        'use the version of Manifold that wrote it, or newer',
      ),
    ]
  return [
    pending.length === 0
      ? ok('database', `schema version ${current}`)
      : warn(
          'database',
          `waiting: ${count(pending.length, 'migration')}`,
          'the next start runs them; manifold db backup first',
        ),
  ]
}

async function checkConfig(call: Call): Promise<Finding[]> {
  const result = await assembled(call)
  if ('problems' in result)
    return result.problems.map((problem) =>
      bad('configuration', formatProblem(problem, process.cwd()), 'mend it, then: manifold config check'),
    )
  const findings: Finding[] = []
  for (const { id, state, reason } of result.brokenInstallations)
    findings.push(bad(`installation ${id}`, `${state}: ${reason}`, 'manifold config check tells the place'))
  for (const { id, problems } of result.brokenPlugins)
    findings.push(warn(`plugin ${id}`, problems.join('; '), 'manifold plugin test <its folder>'))
  for (const { id, version, diff } of result.pending)
    findings.push(
      warn(
        `plugin ${id}`,
        `version ${version} asks for more: ${diff.replaceAll('\n', ', ')}`,
        `manifold plugin approve ${id}`,
      ),
    )
  const { file, forms } = result.config
  return [
    ok(
      'configuration',
      `${file ?? 'no file, defaults'}: ${count(forms.length, 'form')}, ${count(result.installations.length, 'installation')}`,
    ),
    ...findings,
  ]
}

async function checkHub(call: Call): Promise<Finding[]> {
  if (!hasHub(call)) return [warn('hub', 'none runs on this data folder', 'manifold start')]
  const hub = connect(call)
  const ready = await hub.request('GET', '/readyz', { as: readiness })
  const config = await hub.request('GET', '/api/v2/config', { as: configStatus })
  const { items } = await hub.request('GET', '/api/v2/installations', { as: installationList })
  return [
    ready.ready ? ok('hub', `${hub.url} is ready`) : bad('hub', `${hub.url} is not ready`, 'see the lines below'),
    ...ready.checks
      .filter((check) => !check.ok)
      .map((check) => bad(`hub ${check.name}`, check.detail ?? 'failed', 'read the log of the hub')),
    ...(config.in_step
      ? []
      : [
          warn(
            'hub configuration',
            `the file on disk is not what runs${config.problems[0] ? `: ${config.problems[0].message}` : ''}`,
            'manifold config check',
          ),
        ]),
    ...items
      .filter((item) => item.state !== 'ready')
      .map((item) =>
        warn(
          `hub installation ${item.id}`,
          `${item.state}${item.reason === null ? '' : `: ${item.reason}`}`,
          'manifold status',
        ),
      ),
    ...items
      .filter((item) => item.deliveries.dead > 0)
      .map((item) =>
        warn(
          `hub installation ${item.id}`,
          count(item.deliveries.dead, 'dead letter'),
          `manifold dead-letters --installation ${item.id}`,
        ),
      ),
  ]
}

/** `manifold doctor`: what could be wrong on this machine and in the running hub, each with its cause and its cure. */
import { access, constants, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { formatProblem } from '../config/format-problems.ts'
import type { Finding as Seen } from '../finding.ts'
import { makeFolder } from '../folder.ts'
import { discardLeft } from '../registry/gone.ts'
import { wordsOf } from '../registry/pinning.ts'
import type { SchemaStatus } from '../storage/operations.ts'
import type { Call, Run } from './call.ts'
import { settingsOf } from './call.ts'
import { assembled, doubtsNow } from './config.ts'
import { count } from './count.ts'
import { leftOf } from './installations.ts'
import { checkAll, placed } from './installations-check.ts'
import type { CheckedRow } from './installations-check.ts'
import { CliError } from './exit-codes.ts'
import { connect, hasHub } from './hub-client.ts'
import { HOOKS_AGAIN, KEY_BEFORE_IT_ENDS, stoppedHooks, stoppedLines, stoppingLines } from './hooks-stopped.ts'
import { isOnlyMissing, isToldByFile, lacks, missingOf } from './missing-variables.ts'
import { configStatus, installationList, readiness } from './rows.ts'

interface Finding extends Seen {
  readonly name: string
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
  redis: checkRedis,
  configuration: checkConfig,
  'mail server': checkMail,
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

/** Every limit is broken on purpose, in a child of each kind. */
async function checkSandbox(): Promise<Finding[]> {
  const { testSandbox } = await import('../sandbox/self-test.ts')
  const kinds = { sandbox: false, 'hardened sandbox': true }
  const lists = await Promise.all(
    Object.entries(kinds).map(async ([kind, hardened]) =>
      (await testSandbox({ hardened })).map((line): Finding => ({ ...line, name: `${kind}, ${line.name}` })),
    ),
  )
  return lists.flat()
}

async function checkData(call: Call): Promise<Finding[]> {
  const { dataDir } = settingsOf(call)
  try {
    makeFolder(dataDir)
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
  const { storageOf } = await import('../backends.ts')
  const storage = await storageOf(settingsOf(call))
  const seen = named('database', await storage.findings())
  if (seen.some(({ level }) => level === 'fail')) return seen
  return [...seen, schemaFinding(await storage.status())]
}

function schemaFinding({ current, latest, pending }: SchemaStatus): Finding {
  if (current === 0) return ok('database', 'none yet; the first start makes it')
  if (current > latest)
    return bad(
      'database',
      `its schema (version ${current}) is newer than this program's (${latest})`,
      'use the version of Manifold that wrote it, or newer',
    )
  if (pending.length === 0) return ok('database', `schema version ${current}`)
  return warn(
    'database',
    `waiting: ${count(pending.length, 'migration')}`,
    'the next start runs them; manifold db backup first',
  )
}

async function checkRedis(call: Call): Promise<Finding[]> {
  const { redisUrl } = settingsOf(call)
  if (redisUrl === null) return []
  const { lookAtRedis } = await import('../backends.ts')
  return named('redis', [await lookAtRedis(redisUrl)])
}

const named = (name: string, seen: readonly Seen[]): Finding[] => seen.map((each) => ({ name, ...each }))

async function checkConfig(call: Call): Promise<Finding[]> {
  const result = await assembled(call)
  if ('problems' in result)
    return result.problems.map((problem) =>
      bad('configuration', formatProblem(problem, process.cwd()), 'mend it, then: manifold config check'),
    )
  const findings: Finding[] = []
  for (const { name, detail, fix } of missingOf(result.brokenInstallations)) findings.push(bad(name, detail, fix))
  for (const { id, state, reason } of result.brokenInstallations.filter((each) => !isOnlyMissing(each.reason)))
    findings.push(bad(`installation ${id}`, `${state}: ${reason}`, 'manifold config check tells the place'))
  for (const { id, problems } of result.brokenPlugins)
    findings.push(warn(`plugin ${id}`, problems.join('; '), 'manifold plugin test <its folder>'))
  for (const waits of result.pending) {
    const { reason, todo } = wordsOf(waits)
    findings.push(warn(`plugin ${waits.id}`, reason, todo))
  }
  const { file, forms } = result.config
  return [
    ok(
      'configuration',
      `${file ?? 'no file, defaults'}: ${count(forms.length, 'form')}, ${count(result.installations.length, 'installation')}`,
    ),
    ...(await doubtsNow(call, result.doubts)).map((doubt) =>
      warn('configuration', formatProblem({ ...doubt, hint: null }, process.cwd()), doubt.hint ?? 'look at this place'),
    ),
    ...findings,
  ]
}

/** Nothing is sent. A configuration that cannot be read is another line's business. */
async function checkMail(call: Call): Promise<Finding[]> {
  const result = await assembled(call)
  if ('problems' in result || result.config.email === null) return []
  const { lookAtMail } = await import('../capabilities/look-at-mail.ts')
  const { email, network, limits } = result.config
  return named('mail server', [await lookAtMail(email, network.allow, limits)])
}

async function checkHub(call: Call): Promise<Finding[]> {
  if (!hasHub(call)) return [warn('hub', `none runs on this data folder${await unchecked(call)}`, 'manifold start')]
  const hub = connect(call)
  const ready = await hub.request('GET', '/readyz', { as: readiness })
  const config = await hub.request('GET', '/api/v2/config', { as: configStatus })
  const { items, gone } = await hub.request('GET', '/api/v2/installations', { as: installationList })
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
            lacks(config.problems, call.env) ?? 'manifold config check',
          ),
        ]),
    ...items
      .filter((item) => item.state !== 'ready' && !isToldByFile(item.reason, call.env))
      .map((item) =>
        item.credential.state === 'refused'
          ? bad(
              `hub installation ${item.id}`,
              `${item.state}: ${item.reason ?? ''}`,
              `mend its credential (one in a variable is read as the hub starts: restart it), then: manifold installations resume ${item.id}`,
            )
          : warn(
              `hub installation ${item.id}`,
              `${item.state}${item.reason === null ? '' : `: ${item.reason}`}`,
              lacks([{ message: item.reason ?? '' }], call.env) ?? 'manifold status',
            ),
      ),
    ...items
      .filter(({ unattended }) => unattended)
      .map(({ id }) =>
        bad(
          `hub installation ${id}`,
          'no process runs it; its events wait',
          'start a worker with its plugin, its settings and its secrets; of installations that take turns for something, one process needs those of all',
        ),
      ),
    ...items.flatMap(({ id, breakers }) =>
      breakers.map(({ host, until }) =>
        warn(
          `hub installation ${id}`,
          `${host} failed repeatedly; deliveries wait, next probe ${until ?? 'under way'}`,
          `mend it there; to try it now: manifold installations resume ${id}`,
        ),
      ),
    ),
    ...(
      await checkAll(
        hub,
        items
          .filter(({ state, unattended }) => !unattended && state !== 'invalid' && state !== 'needs-approval')
          .map(({ id }) => id),
      )
    ).flatMap(checkFindings),
    ...items
      .filter((item) => item.deliveries.dead > 0)
      .map((item) =>
        warn(
          `hub installation ${item.id}`,
          count(item.deliveries.dead, 'dead letter'),
          `manifold dead-letters --installation ${item.id}`,
        ),
      ),
    ...stoppedLines(await stoppedHooks(hub)).map((line) =>
      warn('hub hooks', `nothing is sent to ${line}`, HOOKS_AGAIN),
    ),
    ...(await stoppingLines(hub, Date.now())).map((line) => warn('hub hooks', line, KEY_BEFORE_IT_ENDS)),
    ...gone.map((item) => warn(`hub installation ${item.id}`, leftOf(item), discardLeft(item.id))),
  ]
}

/** Plugins look at their own credentials, and where no hub runs none does. */
async function unchecked(call: Call): Promise<string> {
  const result = await assembled(call)
  const checked = 'problems' in result ? [] : result.installations.filter(({ plugin }) => plugin.manifest.check)
  return checked.length === 0
    ? ''
    : `: credentials and settings of ${count(checked.length, 'installation')} were not checked`
}

/** Those without a check have no line. */
function checkFindings({ installation, at, findings }: CheckedRow): readonly Finding[] {
  const name = `check of ${installation}`
  if (findings.length === 0) return at === null ? [] : [ok(name, 'credentials and settings are fine')]
  const again = `mend it, then: manifold installations check ${installation}`
  return findings.map((finding) => {
    if (finding.level === 'info') return ok(name, placed(finding))
    return finding.level === 'error' ? bad(name, placed(finding), again) : warn(name, placed(finding), again)
  })
}

/** Many plugins in one hub: how long 24 of them take to come up, what an idle one weighs, and what the borders cost. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Hub } from '../support/hub.ts'
import { startHub } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { BENCH_FORM, preciseNowMs, submissionBody } from './payload.ts'
import type { PluginsAsk, PluginsCost } from './plugins-cost.ts'
import { cpuMsOf, familyOf, machineMs, memoryMbOf, startWorker } from './processes.ts'
import { figure, printTable, progress } from './report.ts'
import type { Verdict } from './report.ts'
import type { Scenario } from './run.ts'

const PLUGINS = 24
const STARTED_MS_MAX = 5_000
const IDLE_MB_MAX = 15
const SETTLE_MS = 5_000
const START_TIMEOUT_MS = 120_000

export const plugins: Scenario = async ({ quick }) => [...(await starts()), ...(await speeds(quick ? 1_000 : 3_000))]

/** Folders of distinct plugins, each with code of its own. */
async function writePlugins(root: string): Promise<readonly string[]> {
  const ids = Array.from({ length: PLUGINS }, (_, n) => `bench-${n + 1}`)
  for (const id of ids) {
    const dir = join(root, id)
    await mkdir(dir, { recursive: true })
    const on = { 'response.submitted': { data: ['data'] } }
    const manifest = { id, name: id, version: '1.0.0', hub: '^1.0', main: 'index.ts', on }
    await writeFile(join(dir, 'plugin.json'), JSON.stringify(manifest))
    await writeFile(
      join(dir, 'index.ts'),
      `import { definePlugin } from 'manifold/plugin'
export default definePlugin({ on: { 'response.submitted': (event, ctx) => ctx.log.info('${id} ' + event.id) } })
`,
    )
  }
  return ids
}

interface Standing {
  readonly what: string
  readonly readyMs: number
  /** Until every plugin had handled an event that was posted as soon as the hub was ready. */
  readonly handledMs: number
  readonly pssMb: number
  readonly foreignShare: number
}

interface StartInput {
  readonly what: string
  readonly root: string
  readonly dataDir: string
  readonly installations: readonly object[]
}

/** One start of a hub, until all its plugins have proved to be there; then what it weighs when nothing happens. */
async function stand({ what, root, dataDir, installations }: StartInput): Promise<Standing> {
  const before = { machine: machineMs(), own: cpuMsOf([process.pid]) }
  const startMs = performance.now()
  await using hub = await startHub({
    dataDir,
    env: { MANIFOLD_LOG_LEVEL: 'warn' },
    config: { forms: { bench: BENCH_FORM }, pluginDirs: [root], installations },
  })
  await allHandled(hub, installations.length)
  const handledMs = performance.now() - startMs
  const after = { machine: machineMs(), own: cpuMsOf([process.pid, ...familyOf(hub.pid)]) }
  const foreignMs = after.machine.busy - before.machine.busy - (after.own - before.own)
  await sleep(SETTLE_MS)
  const standing = {
    what,
    readyMs: hub.startMs,
    handledMs,
    pssMb: memoryMbOf(familyOf(hub.pid)).pss,
    foreignShare: Math.max(0, foreignMs / Math.max(1, after.machine.total - before.machine.total)),
  }
  progress(`${what}: ready after ${figure(hub.startMs)} ms, handled after ${figure(handledMs)} ms`)
  return standing
}

interface Row {
  readonly state: string
  readonly lag: number
  readonly cursor: number
}

async function allHandled(hub: Hub, count: number): Promise<void> {
  const posted = await hub.api('POST', '/api/v2/responses', submissionBody('start', 0, preciseNowMs()), {
    headers: { 'content-type': 'application/json' },
  })
  if (posted.status >= 300) throw new Error(`the event was refused: ${posted.text}`)
  const rows = async () => (await hub.api<{ items: Row[] }>('GET', '/api/v2/installations')).body.items
  await until('every plugin to handle the event', rows, {
    everyMs: 20,
    timeoutMs: START_TIMEOUT_MS,
    accept: (items) =>
      items.length === count && items.every(({ state, lag, cursor }) => state === 'ready' && cursor > 0 && lag === 0),
  })
}

async function starts(): Promise<readonly Verdict[]> {
  await using temp = await tempDir('bench-plugins')
  const root = temp.file('plugins')
  const ids = await writePlugins(root)
  const shared = ids.map((id) => ({ id, use: id }))
  const own = shared.map((each) => ({ ...each, isolation: 'own' }))
  const at = (name: string, what: string, installations: readonly object[]) =>
    stand({ what, root, dataDir: temp.file(name), installations })
  const empty = await at('empty', 'no plugin', [])
  const first = await at('shared', `${PLUGINS} plugins, first start`, shared)
  const again = await at('shared', `${PLUGINS} plugins, started again`, shared)
  const alone = await at('shared', `${PLUGINS} plugins, a process each`, own)
  const eachMb = ({ pssMb }: Standing) => (pssMb - empty.pssMb) / PLUGINS
  printTable(
    `${PLUGINS} distinct plugins with an installation each (ms; MB of PSS, idle, hub and children)`,
    ['hub with', 'ready', 'all have handled an event', 'PSS', 'a plugin', 'foreign CPU'],
    [empty, first, again, alone].map((row) => [
      row.what,
      figure(row.readyMs),
      figure(row.handledMs),
      figure(row.pssMb),
      row === empty ? '-' : figure(eachMb(row)),
      `${figure(row.foreignShare * 100)} %`,
    ]),
  )
  const timed = (what: string, { handledMs }: Standing): Verdict => ({
    what,
    value: handledMs,
    budget: STARTED_MS_MAX,
    sense: 'max',
    unit: 'ms',
  })
  return [
    timed(`start with ${PLUGINS} plugins, the first one`, first),
    timed(`start with ${PLUGINS} plugins, again`, again),
    { what: 'memory of an idle plugin (PSS)', value: eachMb(again), budget: IDLE_MB_MAX, sense: 'max', unit: 'MB' },
  ]
}

const CASES: readonly Omit<PluginsAsk, 'durationMs'>[] = [
  { plugins: 1, hardened: false, work: 'nothing' },
  { plugins: 5, hardened: false, work: 'nothing' },
  { plugins: 20, hardened: false, work: 'nothing' },
  { plugins: 5, hardened: true, work: 'nothing' },
  { plugins: 5, hardened: false, work: 'renders' },
  { plugins: 5, hardened: true, work: 'renders' },
  { plugins: 5, hardened: false, work: 'computes' },
  { plugins: 5, hardened: true, work: 'computes' },
]

/** No budget: what dominates is told by the two CPU columns. */
async function speeds(durationMs: number): Promise<readonly Verdict[]> {
  await using worker = await startWorker<PluginsAsk, PluginsCost>('plugins-cost.ts')
  const rows: (readonly string[])[] = []
  for (const ask of CASES) {
    const before = { machine: machineMs(), own: cpuMsOf([process.pid, worker.pid]) }
    const cost = await worker.ask({ ...ask, durationMs })
    const after = { machine: machineMs(), own: cpuMsOf([process.pid, worker.pid]) }
    const ownMs = after.own - before.own + cost.childCpuMs
    const foreignMs = after.machine.busy - before.machine.busy - ownMs
    rows.push([
      `${ask.plugins}${ask.hardened ? ', hardened' : ''}`,
      ask.work,
      figure(cost.nativePerSecond / ask.plugins),
      figure(cost.sandboxPerSecond / ask.plugins),
      figure(cost.nativePerSecond / cost.sandboxPerSecond),
      figure(cost.hubUs),
      figure(cost.childUs),
      `${figure(Math.max(0, foreignMs / (after.machine.total - before.machine.total)) * 100)} %`,
    ])
  }
  printTable(
    'Every event through n plugins, in batches of 100: in one process, and each in its sandbox (µs of CPU a call)',
    ['plugins', 'handler', 'native events/s', 'sandboxed events/s', 'slower', 'hub µs', 'child µs', 'foreign CPU'],
    rows,
  )
  return []
}

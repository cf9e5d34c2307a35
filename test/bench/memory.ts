/** What the hub weighs: idle with ten installations, and whether a minute of load makes it grow. */
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryMbOf } from './processes.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { hubTarget } from './targets.ts'

const IDLE_MB_MAX = 200
const GROWTH_MAX = 1.3
const SETTLE_MS = 5_000

/** Nine sandboxed handlers beside the webhooks one: ten isolates. */
const NINE = Array.from({ length: 9 }, (_, n) => ({ id: `hello-${n + 1}`, use: 'hello', with: { question: 'name' } }))

export const memory: Scenario = async ({ bench, quick }) => {
  const earlyMs = quick ? 5_000 : 10_000
  const lateMs = quick ? 20_000 : 60_000
  const idle = await idleMb(bench.sinkUrl)
  progress(`idle ${figure(idle.rss)} MB`)
  await using target = await hubTarget()(bench.sinkUrl)
  const running = bench.run(target, { kind: 'closed', connections: 100, durationMs: lateMs + 1_000 })
  await sleep(earlyMs)
  const early = memoryMbOf(target.pids())
  await sleep(lateMs - earlyMs)
  const late = memoryMbOf(target.pids())
  const run = await running
  await sleep(SETTLE_MS)
  const after = memoryMbOf(target.pids())
  const row = (what: string, mb: { rss: number; pss: number }) => [what, figure(mb.rss), figure(mb.pss)]
  printTable(
    `Memory of the hub and its children (${figure(run.acceptedPerSecond)}/s accepted under load)`,
    ['when', 'RSS MB (sum)', 'PSS MB'],
    [
      row('idle, ten installations', idle),
      row(`one installation, after ${earlyMs / 1_000} s of load`, early),
      row(`one installation, after ${lateMs / 1_000} s of load`, late),
      row('one installation, after the load', after),
    ],
  )
  return [
    // Shared pages once: what the machine has less because the hub runs.
    {
      what: 'idle memory with ten installations (PSS)',
      value: idle.pss,
      budget: IDLE_MB_MAX,
      sense: 'max',
      unit: 'MB',
    },
    {
      what: `memory after ${lateMs / 1_000} s : after ${earlyMs / 1_000} s of load`,
      value: late.rss / early.rss,
      budget: GROWTH_MAX,
      sense: 'max',
      unit: '',
    },
  ]
}

async function idleMb(sinkUrl: string): Promise<{ readonly rss: number; readonly pss: number }> {
  await using target = await hubTarget({ installations: NINE })(sinkUrl)
  await sleep(SETTLE_MS)
  return memoryMbOf(target.pids())
}

/** What the sandbox costs: CPU of one handler call across both borders (process and isolate), by batch size. */
import { startWorker } from './processes.ts'
import { figure, printTable } from './report.ts'
import type { Scenario } from './run.ts'
import type { SandboxAsk, SandboxCost } from './sandbox-cost.ts'

const EXTRA_US_MAX = 20
/** What the hub uses when there is much to do. */
const FULL_BATCH = 100

export const sandbox: Scenario = async ({ quick }) => {
  await using worker = await startWorker<SandboxAsk, SandboxCost>('sandbox-cost.ts')
  const costs: (SandboxCost & { readonly batch: number })[] = []
  for (const batch of [1, 10, 50, FULL_BATCH]) {
    costs.push({ batch, ...(await worker.ask({ batch, durationMs: quick ? 1_000 : 3_000 })) })
  }
  printTable(
    'One event through a warm sandboxed handler (µs of CPU, hub and child together)',
    ['events a crossing', 'native', 'sandbox', 'of that in the child', 'on top', 'events/s'],
    costs.map((cost) => [
      String(cost.batch),
      figure(cost.nativeUs),
      figure(cost.sandboxUs),
      figure(cost.childUs),
      figure(cost.sandboxUs - cost.nativeUs),
      figure(cost.eventsPerSecond),
    ]),
  )
  const full = costs.at(-1) as SandboxCost
  return [
    {
      what: 'CPU of a batched sandboxed call on top of native',
      value: full.sandboxUs - full.nativeUs,
      budget: EXTRA_US_MAX,
      sense: 'max',
      unit: 'µs',
    },
  ]
}

/** A dead endpoint beside a healthy one: how much later do the healthy one's deliveries come? */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { RunResult } from './measure.ts'
import { undisturbed } from './measure.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { median } from './statistics.ts'
import { hubTarget } from './targets.ts'

const RATIO_MAX = 1.5

export const isolation: Scenario = async ({ bench, quick }) => {
  // Takes every connection and never says a word: the worst kind of dead.
  const silent = createServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  const dead = (id: string, url: string) => ({
    id,
    use: 'webhooks',
    with: { url, secret: 'bench-secret-bench-secret' },
  })
  const cases = {
    alone: [],
    'beside a silent endpoint': [dead('silent', `http://127.0.0.1:${port}/`)],
    // Nobody listens on the discard port.
    'beside a refusing endpoint': [dead('refusing', 'http://127.0.0.1:9/')],
  }
  const results = new Map<string, RunResult[]>()
  for (let repeat = 0; repeat < (quick ? 1 : 3); repeat += 1) {
    for (const [name, installations] of Object.entries(cases)) {
      const [run] = await undisturbed(1, async () => {
        await using target = await hubTarget({ installations })(bench.sinkUrl)
        await bench.run(target, { kind: 'closed', connections: 10, durationMs: 1_500 })
        return await bench.run(target, {
          kind: 'open',
          clients: 200,
          perSecondEach: 1,
          durationMs: quick ? 6_000 : 15_000,
        })
      })
      if (run === undefined) continue
      results.set(name, [...(results.get(name) ?? []), run])
      progress(`${name}: e2e p95 ${figure(run.sink.endToEndMs.p95)} ms`)
    }
  }
  silent.close()
  const of = (name: string, pick: (run: RunResult) => number) => median((results.get(name) ?? []).map(pick))
  printTable(
    'The healthy endpoint at 200/s (ms)',
    ['case', 'e2e p50', 'e2e p95', 'e2e p99', 'ack p95', 'missing'],
    Object.keys(cases).map((name) => [
      name,
      figure(of(name, (run) => run.sink.endToEndMs.p50)),
      figure(of(name, (run) => run.sink.endToEndMs.p95)),
      figure(of(name, (run) => run.sink.endToEndMs.p99)),
      figure(of(name, (run) => run.load.ackMs.p95)),
      figure(of(name, (run) => run.missing)),
    ]),
  )
  const alone = of('alone', (run) => run.sink.endToEndMs.p95)
  return Object.keys(cases)
    .slice(1)
    .map((name) => ({
      what: `healthy end-to-end p95, ${name} : alone`,
      value: of(name, (run) => run.sink.endToEndMs.p95) / alone,
      budget: RATIO_MAX,
      sense: 'max' as const,
      unit: '',
    }))
}

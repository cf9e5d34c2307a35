/**
 * Capacity on paper and by simulation: what 10,000 concurrent users and 100 million submissions a month need. Constants are
 * measured on this machine first; `--write` puts the tables into core/deploy/CAPACITY.md.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { ROOT } from '../support/hub.ts'
import { withTables } from '../architecture/docs-tables.ts'
import { measureConstants } from './capacity-constants.ts'
import type { Constants } from './capacity-constants.ts'
import { answer, ASSUMED, CASES, ceilings, DAYS_PER_MONTH, MONTHLY } from './capacity-model.ts'
import type { Answer } from './capacity-model.ts'
import { figure, progress, tableText } from './report.ts'
import type { Scenario } from './run.ts'

const PAGE = `${ROOT}core/deploy/CAPACITY.md`

export const capacity: Scenario = async ({ bench, quick, write }) => {
  const constants = await measureConstants(bench, quick)
  const answers = CASES.map((load) => {
    progress(`simulating ${load.name}`)
    return answer(load, constants, quick)
  })
  const pages = [
    inShort(constants, answers),
    assumptions(),
    measured(constants),
    growth(constants),
    fleets(answers),
    waits(answers),
    limits(constants),
  ]
  const text = pages.join('\n\n')
  process.stdout.write(`\n${text}\n`)
  if (write) writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8'), { capacity: () => text }))
  return answers.map(({ name, perSecond, simulated }) => ({
    what: `${name}: submissions left waiting, seconds of arrivals`,
    value: simulated.leftOver / perSecond,
    budget: 1,
    sense: 'max',
    unit: 's',
  }))
}

const section = (title: string, ...parts: readonly string[]): string => [`## ${title}`, ...parts].join('\n\n')
const percent = (share: number): string => `${figure(share * 100)} %`
const gigabytes = (bytes: number): string => `${figure(bytes / 1e9)} GB`

const storedBytes = ({ growth: tables }: Constants): number =>
  tables.reduce((sum, { heapBytes, indexBytes }) => sum + heapBytes + indexBytes, 0)

/** One line for each question, then what ends first. */
function inShort(constants: Constants, answers: readonly Answer[]): string {
  const bytes = storedBytes(constants)
  const line = ({ name, perSecond, plant, postgresBusy, simulated }: Answer): string =>
    [
      `* **${name}** (${figure(perSecond)}/s): ${plant.apis} API, ${plant.workers} workers, ${plant.postgresCores} cores for Postgres, busy to ${percent(simulated.busy.api)},`,
      `  ${percent(simulated.busy.worker)}, ${percent(postgresBusy)}; p99: answered in ${figure(simulated.ackMs.p99)} ms, on its way out in ${figure(simulated.endToEndMs.p99)} ms.`,
    ].join('\n')
  const shown = Math.max(...constants.costs.map((cost) => cost.perSecond))
  return section(
    'In short',
    [
      ...answers.slice(-4).map(line),
      `  That is beyond what could be shown here, ${figure(shown)}/s by one API and one worker with everything else on ${availableParallelism()} cores.`,
      `* **What ends first is the disk**, not a processor: 100 million submissions are ${gigabytes(bytes * MONTHLY)}, a day of 10,000 a`,
      `  second is ${gigabytes(bytes * 10_000 * 86_400)}. Next comes what one installation may have on its way at a time.`,
    ].join('\n'),
  )
}

function assumptions(): string {
  const { peakHourFactor, burstFactor, receiverMs, installations, busyMax, processesMin, secondsSimulated, seed } =
    ASSUMED
  return section(
    'Assumptions',
    [
      `* A month has ${DAYS_PER_MONTH} days. The busiest hour is ${peakHourFactor} times the mean, the busiest minute ${burstFactor} times.`,
      '* Submissions come independently of each other (Poisson), about 470 bytes in six fields, one delivery each, which',
      '  succeeds at the first attempt. Each retry costs a delivery again, without the response and its event.',
      `* A receiver answers in ${receiverMs.median} ms (median; one in twenty takes ${figure(Math.exp(1.645 * receiverMs.sigma))} times as long). Submissions are spread`,
      `  evenly over ${installations} installations, and these evenly over the workers.`,
      `* There are as many processes (and cores of Postgres) as are busy to ${percent(busyMax)} when their batches are full, and at least`,
      `  ${processesMin} of a kind. A process is one core. CPU of a submission varies as an exponential does, more than it really does.`,
      '* CPU at a rate between two measured ones is interpolated by the logarithm of the rate; beyond the highest it stays the same.',
      '* A transaction waits for the disk and for its own round trips as long as here, and computes as much as here.',
      '* Networks add what they add: everything was measured on loopback.',
      `* Each case simulates ${secondsSimulated} s, with seed ${seed}; the first tenth is not counted.`,
    ].join('\n'),
  )
}

function measured({ costs, commits, submissions }: Constants): string {
  const rows = costs.map((cost) => [
    figure(cost.perSecond),
    figure(cost.apiMs),
    figure(cost.workerMs),
    figure(cost.postgresMs),
    figure(cost.transactions),
    figure(cost.walBytes),
    percent(cost.foreignShare),
  ])
  const { whole, serial } = commits
  return section(
    'Measured',
    `On ${availableParallelism()} cores that also ran the sender, the receiver and others' work (last column), ${figure(submissions)} submissions, all delivered.`,
    tableText(
      ['submissions/s', 'API ms', 'worker ms', 'Postgres ms', 'transactions', 'WAL bytes', 'foreign CPU'],
      rows,
    ),
    [
      'CPU and bytes are for one submission with its delivery. Few a second cost more each, because batches are small.',
      `A transaction of ingest takes ${figure(whole.fixedMs)} ms + ${figure(whole.eachMs)} ms for each submission in it; for ${figure(serial.fixedMs)} ms +`,
      `${figure(serial.eachMs)} ms of that it holds the row that gives out sequences.`,
    ].join('\n'),
  )
}

function growth(constants: Constants): string {
  const { growth: tables, costs } = constants
  const totals = tables.reduce(
    (sum, { heapBytes, indexBytes }) => ({ heap: sum.heap + heapBytes, index: sum.index + indexBytes }),
    { heap: 0, index: 0 },
  )
  const row = (name: string, heap: number, index: number) => [
    name,
    figure(heap),
    figure(index),
    gigabytes((heap + index) * MONTHLY),
    gigabytes((heap + index) * MONTHLY * 12),
  ]
  const kept = storedBytes({ ...constants, growth: tables.filter(({ table }) => table !== 'responses') })
  const responses = totals.heap + totals.index - kept
  const wal = costs.map(({ walBytes }) => walBytes)
  return section(
    'The database grows',
    tableText(
      ['table', 'row bytes', 'index bytes', 'a month of 100 million', 'a year'],
      [
        ...tables.map(({ table, heapBytes, indexBytes }) => row(table, heapBytes, indexBytes)),
        row('all', totals.heap, totals.index),
      ],
    ),
    [
      `Postgres writes at least ${gigabytes(Math.max(...wal) * MONTHLY)} of its own log (WAL) a month, which replicas and continuous backups carry:`,
      'after each checkpoint it writes pages whole, of which short runs see little. Checkpoints every 15 minutes or more help.',
      `Kept for ever, a year is ${gigabytes((totals.heap + totals.index) * MONTHLY * 12)}. If events, deliveries and attempts were kept for 90 days and responses for ever,`,
      `it would be ${gigabytes(kept * MONTHLY * 3)} + ${gigabytes(responses * MONTHLY * 12)} a year. The hub has no retention yet: only idempotency keys and`,
      'expired plugin memory go by themselves.',
    ].join('\n'),
  )
}

function fleets(answers: readonly Answer[]): string {
  return section(
    'What it takes',
    tableText(
      [
        'load',
        'submissions/s',
        'API',
        'workers',
        'Postgres cores',
        'connections',
        'API busy',
        'worker busy',
        'Postgres busy',
        'log row needed',
      ],
      answers.map(({ name, perSecond, plant, connections, postgresBusy, logRowNeeds, simulated: { busy } }) => [
        name,
        figure(perSecond),
        String(plant.apis),
        String(plant.workers),
        String(plant.postgresCores),
        String(connections),
        percent(busy.api),
        percent(busy.worker),
        percent(postgresBusy),
        percent(logRowNeeds),
      ]),
    ),
    [
      'At middling rates batches are small and every part is busier than it need be; it gets cheaper as more comes, so this is no',
      'sign of being full. The row of the log is shown by what it has to do for the submissions alone: above 100 % nothing helps.',
    ].join('\n'),
  )
}

function waits(answers: readonly Answer[]): string {
  return section(
    'How long it waits',
    tableText(
      [
        'load',
        'ack p50 ms',
        'ack p95 ms',
        'ack p99 ms',
        'e2e p50 ms',
        'e2e p95 ms',
        'e2e p99 ms',
        'unanswered p99',
        'unsent p99',
      ],
      answers.map(({ name, simulated: { ackMs, endToEndMs, waiting } }) => [
        name,
        figure(ackMs.p50),
        figure(ackMs.p95),
        figure(ackMs.p99),
        figure(endToEndMs.p50),
        figure(endToEndMs.p95),
        figure(endToEndMs.p99),
        figure(waiting.ackP99),
        figure(waiting.sendP99),
      ]),
    ),
    [
      '`e2e` ends when the request leaves for the receiver; how long that one takes is its own. Waiting: how many at a time have',
      'no answer yet, and how many have one and did not leave yet.',
    ].join('\n'),
  )
}

function limits(constants: Constants): string {
  return section(
    'What saturates first',
    'Processes can be added, and are not listed. What cannot, the lowest first:',
    tableText(
      ['part', 'ends at, submissions/s', 'then'],
      ceilings(constants).map(({ part, perSecond, next }) => [part, figure(perSecond), next]),
    ),
  )
}

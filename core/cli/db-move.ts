/** `manifold db move --from A --to B`: all rows from SQLite to Postgres or back, verified at the end. */
import { randomUUID } from 'node:crypto'
import type { MovePlan, MoveProgress, MoveReport } from '../storage/move/move.ts'
import type { BackendName, MoveSource, MoveTarget } from '../storage/move/port.ts'
import type { Call, Run } from './call.ts'
import { settingsOf, textOption } from './call.ts'
import { count } from './count.ts'
import { refuseWhileRunning } from './db.ts'
import { CliError } from './exit-codes.ts'

const BACKENDS: readonly BackendName[] = ['sqlite', 'postgres']
const CHECKSUM_CHARS_SHOWN = 16

interface Ends {
  readonly source: MoveSource
  readonly target: MoveTarget
}

export const run: Run = async (call) => {
  const [from, to] = [backendOption(call, 'from'), backendOption(call, 'to')]
  if (from === to) throw new CliError('usage', `--from and --to are both ${from}.`, 'a move goes from one to the other')
  const { dataDir, databaseUrl } = settingsOf(call)
  if (databaseUrl === null)
    throw new CliError(
      'usage',
      'DATABASE_URL is not set, so there is no Postgres to move from or to.',
      'DATABASE_URL=postgres://user:password@host:5432/database manifold db move …',
    )
  refuseWhileRunning(dataDir)
  const { MOVE_ENDS } = await import('../backends.ts')
  const at = { dataDir, databaseUrl }
  const source = await MOVE_ENDS[from].source(at)
  try {
    const target = await MOVE_ENDS[to].target(at)
    try {
      await (call.options['dryRun'] ? tellPlan(call, { source, target }) : carryOut(call, { source, target }, to))
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

function backendOption(call: Call, name: 'from' | 'to'): BackendName {
  const text = textOption(call, name)
  const backend = BACKENDS.find((each) => each === text)
  if (backend === undefined)
    throw new CliError('usage', `--${name} must be ${BACKENDS.join(' or ')} (got "${text ?? ''}").`)
  return backend
}

async function tellPlan(call: Call, ends: Ends): Promise<void> {
  const { planMove } = await import('../storage/move/move.ts')
  const plan = await planMove(ends)
  const { source, target } = ends
  if (call.options['json'])
    return call.terminal.json({
      dry_run: true,
      from: source.place,
      to: target.place,
      start: plan.start,
      rows: plan.rows,
      tables: plan.tables,
    })
  call.terminal.table(
    ['table', 'rows'],
    plan.tables.map(({ name, rows }) => [name, rows]),
  )
  call.terminal.say(`Would move ${count(plan.rows, 'row')} from ${source.place} to ${target.place}${HOW[plan.start]}.`)
}

const HOW: Readonly<Record<MovePlan['start'], string>> = {
  new: '',
  resumed: ', going on where an earlier run stopped',
  anew: ', from the beginning: the source was used since an earlier run stopped',
}

async function carryOut(call: Call, ends: Ends, to: BackendName): Promise<void> {
  const { move } = await import('../storage/move/move.ts')
  const bar = call.terminal.progress(`from ${ends.source.place} to ${ends.target.place}`)
  const progress = (at: MoveProgress): void =>
    bar.set(at.ofRows === 0 ? 1 : at.rows / at.ofRows, `${at.phase} ${at.table}, ${at.rows} of ${at.ofRows} rows`)
  const report = await move({ ...ends, nowMs: Date.now, id: randomUUID(), progress }).finally(() => bar.done())
  if (call.options['json']) return tellJson(call, ends, report)
  call.terminal.table(
    ['table', 'rows', 'sha-256'],
    report.tables.map(({ name, rows, checksum }) => [name, rows, checksum.slice(0, CHECKSUM_CHARS_SHOWN)]),
  )
  const seconds = (report.durationMs / 1_000).toFixed(1)
  const { terminal } = call
  terminal.say(
    `Moved ${count(report.rows, 'row')} from ${ends.source.place} to ${ends.target.place} in ${seconds} s${HOW[report.start]}.`,
  )
  terminal.say('Verified: both sides were read again; rows and SHA-256 of the content are the same for every table.')
  if (report.nulTextsReplaced > 0)
    terminal.say(
      `Not the same: ${count(report.nulTextsReplaced, 'text')} had NUL characters, which Postgres cannot hold; each NUL is now U+FFFD, and was taken for that when comparing.`,
    )
  terminal.say(NEXT[to](settingsOf(call).dataDir))
}

/** What is to be done now, by target. */
const NEXT: Readonly<Record<BackendName, (dataDir: string) => string>> = {
  postgres: (dataDir) => `Next: start the hubs with this DATABASE_URL. No hub starts on ${dataDir} any more.`,
  sqlite: (dataDir) =>
    `Next: unset DATABASE_URL and start one hub on --data ${dataDir}. No hub starts on the Postgres database any more.`,
}

function tellJson({ terminal }: Call, { source, target }: Ends, report: MoveReport): void {
  terminal.json({
    id: report.id,
    from: source.place,
    to: target.place,
    start: report.start,
    rows: report.rows,
    rows_written: report.rowsWritten,
    tables: report.tables,
    checksum: report.checksum,
    nul_texts_replaced: report.nulTextsReplaced,
    duration_ms: report.durationMs,
  })
}

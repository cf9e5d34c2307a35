/**
 * One run of the action. Rows that an earlier attempt may have brought are looked for, once Google must be through with that;
 * then those that are not there are written.
 */
import { dead, delivered, retry } from 'manifold/plugin'
import type { CapabilityError, FinalOutcome } from 'manifold/plugin'
import { isTimeZone } from './cells.ts'
import { readSheet } from './header.ts'
import { lookUp } from './lookup.ts'
import { isOutcome } from './outcome.ts'
import { Run } from './run.ts'
import type { RunContext, WantedRow } from './run.ts'
import { CALLS_OF_WRITE, writeAll } from './write-rows.ts'

/** By place. Throws when nothing is decided for any of them. */
export async function append(rows: readonly WantedRow[], ctx: RunContext): Promise<ReadonlyMap<number, FinalOutcome>> {
  const run = new Run(ctx)
  try {
    await appendOpen(run, rows)
  } catch (error) {
    // Those that wait can be had again, so the hub may read the error itself.
    if ([...run.outcomes.values()].every(({ outcome }) => outcome === 'retry')) throw error
    const { message, code = 'plugin_threw' } = error as Error & Partial<Pick<CapabilityError, 'code'>>
    run.settle(rows, retry(message, { code, untouched: true }))
  }
  return run.outcomes
}

async function appendOpen(run: Run, rows: readonly WantedRow[]): Promise<void> {
  const { timeZone } = run.ctx.config
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    const told = `"${timeZone}" is no time zone; write for example "Europe/Berlin".`
    return run.stop(rows, dead('config_invalid', told, { disable: true }))
  }
  for (const row of rows) waitUntilSettled(run, row)
  const repeats = run.open(rows).filter(({ sentBeforeMs }) => sentBeforeMs !== null)
  if (repeats.length > 0) await leaveOutPresent(run, repeats)
  await writeAll(run, rows)
}

/** Google goes on with a request when nobody waits for the answer any more: what comes of it shows only when that is over. */
function waitUntilSettled(run: Run, row: WantedRow): void {
  if (row.sentBeforeMs === null) return
  const waitMs = run.settledMs(row.sentBeforeMs) - Date.now()
  if (waitMs <= 0) return
  const told = 'Google may still be at work on an earlier attempt: the row is looked for when that is over.'
  run.settle([row], retry(told, { code: 'unsettled', afterMs: waitMs, untouched: true }))
}

async function leaveOutPresent(run: Run, rows: readonly WantedRow[]): Promise<void> {
  const { ctx } = run
  const sheet = await readSheet(ctx)
  if (isOutcome(sheet)) return run.stop(rows, sheet)
  const idHeader = ctx.config.idHeader.trim()
  if (!sheet.header.includes(idHeader) && (await run.known()).has(idHeader)) {
    const told = `Whether this row is there already cannot be seen: the tab has no column "${idHeader}" any more. Name it so again, then replay.`
    return run.settle(rows, dead('id_header_missing', told))
  }
  const found = await lookUp(
    ctx,
    { sheet, idHeader },
    {
      ids: rows.map(({ event }) => event.deliveryId),
      settledMs: Math.max(...rows.map(({ sentBeforeMs }) => run.settledMs(sentBeforeMs ?? 0))),
      mayGoOn: () => run.hasRoomFor(CALLS_OF_WRITE + 1),
    },
  )
  if (isOutcome(found)) return run.stop(rows, found)
  const present = rows.filter(({ event }) => found.has(event.deliveryId))
  run.settle(present, delivered({ found: true }))
}

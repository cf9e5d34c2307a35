/**
 * The last events of an installation once more, through its handlers as they are now. Events keep their ids; each
 * delivery gets an id and a key of its own (the handler's key and the run's id), or the unique keys of what these
 * events caused before would swallow it. The cursor stays, and no other installation sees anything.
 */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { LogEvent } from '../model.ts'
import type { Pump } from '../pump/pump.ts'
import type { Installation } from '../registry/installation.ts'
import type { Store } from '../storage/store.ts'

export interface ReplayEventsDeps {
  readonly store: Pick<Store, 'readEvents' | 'headSeq'>
  readonly pump: Pick<Pump, 'runOnce' | 'wants'>
  readonly clock: Clock
  /** Whether the installation still runs. */
  readonly mayRun: () => boolean
  readonly limits: Pick<Limits, 'replayEventsMax'>
}

/** What came of one event; `error` when its handler failed, which then counts for nothing else. */
export interface ReplayedEvent {
  readonly eventId: string
  readonly deliveries: readonly string[]
  readonly error: { readonly code: string; readonly message: string } | null
}

/** How far back events are looked for. */
const LOOK_BACK_EVENTS_MAX = 2_000
/** No further event is begun after this: whoever asked waits for the answer. */
const BEGIN_MS_MAX = 15_000

/** Oldest first. `left`: those that there was no time for. */
export async function replayEvents(
  deps: ReplayEventsDeps,
  installation: Installation,
  { last, form }: { readonly last: number; readonly form: string | undefined },
): Promise<{ readonly events: readonly ReplayedEvent[]; readonly left: number }> {
  const { pump, clock, limits } = deps
  if (!Number.isInteger(last) || last < 1 || last > limits.replayEventsMax)
    throw new HubError('bad_request', `From 1 to ${limits.replayEventsMax} events can be replayed at once.`)
  const events = (await lastEvents(deps, installation, { count: last, form })).toReversed()
  const untilMs = clock.monotonicMs() + BEGIN_MS_MAX
  const done: ReplayedEvent[] = []
  for (const event of events) {
    // It may have been stopped by what the first ones came to.
    if (clock.monotonicMs() > untilMs || !deps.mayRun()) break
    try {
      const made = await pump.runOnce(installation.key, event)
      done.push({ eventId: event.id, deliveries: made.map(({ id }) => id), error: null })
    } catch (error) {
      if (!(error instanceof HubError)) throw error
      done.push({ eventId: event.id, deliveries: [], error: { code: error.code, message: error.message } })
    }
  }
  return { events: done, left: events.length - done.length }
}

/** The newest events that this installation would get, of the form when one is named; newest first. */
export async function lastEvents(
  { store, pump }: Pick<ReplayEventsDeps, 'store' | 'pump'>,
  { workspace, key }: Pick<Installation, 'workspace' | 'key'>,
  { count, form }: { readonly count: number; readonly form: string | undefined },
): Promise<readonly LogEvent[]> {
  const head = await store.headSeq()
  const events = await store.readEvents({
    workspace,
    afterSeq: Math.max(0, head - LOOK_BACK_EVENTS_MAX),
    limit: LOOK_BACK_EVENTS_MAX,
  })
  const found: LogEvent[] = []
  for (const event of events.toReversed()) {
    if (found.length === count) break
    if (event.data === null || (form !== undefined && event.formId !== form)) continue
    if (await pump.wants(key, event)) found.push(event)
  }
  return found
}

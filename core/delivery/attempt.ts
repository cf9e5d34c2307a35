/** One attempt of one delivery, or of a batch of them: builds the run, has it run, and says what came of it. */
import { asHubError, HubError } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { Delivery, Exchange, LogEvent } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { GuestEffects, RunResult, Sandbox } from '../sandbox/sandbox.ts'
import type { Effects } from '../storage/store.ts'
import type { AheadRun, AheadRuns } from './ahead.ts'
import type { Breakers } from './breaker.ts'
import { NO_EFFECTS, toEffects } from './effects.ts'
import type { MemoryQuota } from './memory-quota.ts'
import { heldTooLate, rulingOf, verdictOf } from './outcome.ts'
import type { Verdict } from './outcome.ts'
import { isPending } from './ports.ts'
import type { OpenCapabilities, OpenContext, OpenedRun } from './ports.ts'
import { TEST_MARK } from '../storage/new-delivery.ts'
import { prepare } from './prepare-run.ts'
import type { AttemptJob, PrepareDeps, Prepared } from './prepare-run.ts'
import { endingsOf } from './send-outcome.ts'
import type { Ending } from './send-outcome.ts'

export interface AttemptDeps extends PrepareDeps {
  readonly sandbox: Pick<Sandbox, 'runEach'>
  readonly capabilities: OpenCapabilities
  readonly breakers: Breakers
  readonly memoryQuota: MemoryQuota
  readonly ahead: Pick<AheadRuns, 'take'>
  readonly clock: Clock
  readonly limits: Limits
}

/** What came of it: one verdict a delivery, in order; the rest is shared by the whole run. */
export interface AttemptEnd {
  readonly verdicts: readonly Verdict[]
  readonly effects: Effects
  readonly exchanges: readonly Exchange[]
  /** With whom each exchange was, in the same order. */
  readonly hosts: readonly string[]
  /** The last one a request was meant for, if only to be held back by its breaker. */
  readonly host: string | null
  /** Something that it sent may have changed something at the receiver. */
  readonly left: boolean
  /** A receiver took what the installation proves itself with. */
  readonly hasProven: boolean
  /** Takes the installation's secrets out of what is written down. */
  readonly mask: (text: string) => string
  readonly result: RunResult | null
  /** Places of deliveries that were not in the run: their response was deleted, or lacks what the settings need. */
  readonly absent: Prepared['absent']
  readonly startedAtMs: number
  readonly durationMs: number
}

/** Runs it. `done` is called exactly once and never while `startAttempt` is still on the stack. */
export function startAttempt(deps: AttemptDeps, job: AttemptJob, done: (end: AttemptEnd) => void): void {
  void attempt(deps, job).then(done)
}

async function attempt(deps: AttemptDeps, job: AttemptJob): Promise<AttemptEnd> {
  const startedAtMs = deps.clock.nowMs()
  const startedMonoMs = deps.clock.monotonicMs()
  let opened: OpenedRun | undefined
  let result: RunResult | null = null
  let judged: Judged
  let ready = NOTHING_KNOWN
  try {
    const ahead = takeAhead(deps, job)
    if (ahead !== undefined) {
      opened = ahead.opened
      result = await ahead.result
    } else {
      const prepared = prepare(deps, job)
      const whole = isPending(prepared) ? await prepared : prepared
      ready = whole
      opened = deps.capabilities.open(job.installation, contextOf(job, startedAtMs))
      result = await ran(deps, job, { input: whole.input, handler: opened.handler })
    }
    const event = ready.event ?? (await causeOfEmitted(deps, job, result))
    const counting = deps.memoryQuota.ready(job.installation, [result.effects])
    if (counting !== undefined) await counting
    // Before anything is sent: what is refused here must not be a dead letter of a request that was taken.
    const effects = result.error === null ? effectsOf(deps, job, { result, event }) : NO_EFFECTS
    const ending = endingsOf(result.value, {
      handler: opened.handler,
      nowMs: deps.clock.nowMs,
      startUntilMs: startedAtMs + wallMs(job) / 2,
    })
    const endings = isPending(ending) ? await ending : ending
    judged = judge(job, { result, effects, endings, absent: ready.absent })
  } catch (error) {
    judged = { verdicts: job.deliveries.map(() => rulingOf(asHubError(error))), effects: NO_EFFECTS }
  }
  return {
    ...counted(wasHeldBack(deps, job, { opened, judged }) ?? judged, opened),
    exchanges: opened?.exchanges ?? [],
    hosts: opened?.hosts ?? [],
    host: opened?.lastHost() ?? null,
    left: opened?.mayHaveWritten() ?? false,
    hasProven: opened?.hasProven() ?? false,
    mask: opened?.mask ?? ((text) => text),
    result,
    absent: ready.absent,
    startedAtMs,
    durationMs: deps.clock.monotonicMs() - startedMonoMs,
  }
}

/** The run that was begun for this very delivery, unless its response was erased meanwhile. */
function takeAhead(deps: AttemptDeps, { installation, deliveries }: AttemptJob): AheadRun | undefined {
  const [first] = deliveries
  if (first === undefined || first.eventId === null) return undefined
  // Looked at first: what is taken goes on, and an erased one must not.
  const erased = deps.eventInMemory(first.workspace, first.eventId)?.data === null
  return erased ? undefined : deps.ahead.take(installation, first)
}

/** Begins the run of a delivery that is about to be written for this event. Nothing when it would have to wait for something. */
export function runAhead(
  deps: Omit<AttemptDeps, 'ahead'> & { readonly ahead: AheadRuns },
  job: AttemptJob,
  event: LogEvent,
): void {
  const [delivery] = job.deliveries
  if (delivery === undefined) return
  const { installation } = job
  // What takes company is run with the company it will have, and of a serial action the one before may be under way.
  const action = installation.plugin.manifest.actions[delivery.name]
  if (action !== undefined && (action.batch.max > 1 || (action.serial ?? false) !== false)) return
  const ready = tryPrepare({ ...deps, eventInMemory: () => event }, job)
  if (ready === null) return
  if (isPending(ready)) {
    // The attempt will look again, and say what was wrong.
    ready.catch(() => undefined)
    return
  }
  if (!('kind' in ready.input)) return
  const opened = deps.capabilities.open(installation, contextOf(job, deps.clock.nowMs()))
  deps.ahead.begin(installation, delivery, {
    eventId: event.id,
    input: ready.input,
    opened,
    run: (input, handler) => ran(deps, job, { input, handler }),
  })
}

/** Null where something is wrong with the delivery: its attempt says what. */
function tryPrepare(deps: PrepareDeps, job: AttemptJob): ReturnType<typeof prepare> | null {
  try {
    return prepare(deps, job)
  } catch {
    return null
  }
}

async function ran(
  { sandbox }: Pick<AttemptDeps, 'sandbox'>,
  { installation, deliveries, runId }: AttemptJob,
  { input, handler }: { readonly input: Prepared['input']; readonly handler: OpenedRun['handler'] },
): Promise<RunResult> {
  if (!('kind' in input)) return ranNothing(runId, input)
  const [first] = deliveries
  return await sandbox.runEach(installation.key, {
    id: runId,
    attempt: (first?.attempts ?? 0) + 1,
    input,
    capabilities: handler,
    eventId: first?.eventId ?? undefined,
    deliveryId: first?.id,
  })
}

/** Stands for a run where there was nothing to run. */
const ranNothing = (id: string, effects: GuestEffects): RunResult => ({
  id,
  value: null,
  effects,
  logs: [],
  logsDropped: 0,
  cpuMs: 0,
  durationMs: 0,
  readingMs: 0,
  hostOps: 0,
  httpCalls: 0,
  error: null,
})

function contextOf(job: AttemptJob, startMs: number): OpenContext {
  const [first, second] = job.deliveries
  const actFor =
    first?.kind === 'action' && second === undefined
      ? { deliveryId: first.id, responseId: first.responseId }
      : undefined
  return { deadlineMs: startMs + wallMs(job), actFor }
}

function wallMs({ installation, deliveries }: AttemptJob): number {
  const { limits } = installation
  switch (deliveries[0]?.kind) {
    case 'handler':
      return limits.eventWallMs
    case 'schedule':
      return limits.scheduleWallMs
    default:
      return limits.actionWallMs
  }
}

/** A plugin may catch the breaker's refusal and answer "retry": nothing left the hub, so it is no attempt all the same. */
function wasHeldBack(
  deps: AttemptDeps,
  job: AttemptJob,
  ran: { opened: OpenedRun | undefined; judged: Judged },
): Judged | null {
  const host = ran.opened?.lastHost() ?? null
  if (host === null || (ran.opened?.exchanges.length ?? 0) > 0) return null
  const afterMs = deps.breakers.check(job.installation.key, host, deps.clock.nowMs())
  if (afterMs === null || !ran.judged.verdicts.every(({ kind }) => kind === 'retry' || kind === 'held')) return null
  return { verdicts: job.deliveries.map(() => ({ kind: 'held', afterMs })), effects: NO_EFFECTS }
}

/** A run that another host's breaker ended after something had left is an attempt: what was sent stands in its log and takes a step. */
function counted(judged: Judged, opened: OpenedRun | undefined): Judged {
  if (opened === undefined || !opened.mayHaveLeft()) return judged
  const verdicts = judged.verdicts.map((verdict) =>
    verdict.kind === 'held' ? heldTooLate(verdict, opened.lastHost()) : verdict,
  )
  return { ...judged, verdicts }
}

const NOTHING_KNOWN: Pick<Prepared, 'event' | 'absent'> = { event: undefined, absent: new Map() }

/** Whoever emits must be counted in the chain of emissions, so then the causing event is looked up after all. */
async function causeOfEmitted(deps: AttemptDeps, job: AttemptJob, result: RunResult): Promise<LogEvent | undefined> {
  const [first] = job.deliveries
  if (result.effects.emit.length === 0 || first === undefined || first.eventId === null) return undefined
  return (
    deps.eventInMemory(first.workspace, first.eventId) ?? (await deps.store.getEvent(first.workspace, first.eventId))
  )
}

type Judged = Pick<AttemptEnd, 'verdicts' | 'effects'>

interface Ran {
  readonly result: RunResult
  readonly effects: Effects
  readonly endings: readonly Ending[] | null
  readonly absent: Prepared['absent']
}

/** Throws what the run may not have. */
function effectsOf(
  deps: AttemptDeps,
  { deliveries, installation }: AttemptJob,
  { result, event }: { readonly result: RunResult; readonly event: LogEvent | undefined },
): Effects {
  const [first] = deliveries
  if (first === undefined) return NO_EFFECTS
  deps.memoryQuota.admit(installation, result.effects)
  return toEffects(result.effects, {
    installation,
    source: { ...sourceOf(deliveries, first), hops: event?.hops ?? 0 },
    nowMs: deps.clock.nowMs(),
    limits: deps.limits,
  })
}

function judge({ deliveries, installation }: AttemptJob, { result, effects, endings, absent }: Ran): Judged {
  const ruled = (index: number, verdict: () => Verdict): Verdict => {
    const why = absent.get(index)
    return why === undefined ? verdict() : rulingOf(why)
  }
  const all = (verdict: Verdict): readonly Verdict[] => deliveries.map((_, index) => ruled(index, () => verdict))
  if (result.error !== null) return { verdicts: all(rulingOf(result.error)), effects: NO_EFFECTS }
  if (deliveries[0]?.kind !== 'action') return { verdicts: all({ kind: 'delivered' }), effects }
  let position = 0
  const verdicts = deliveries.map((_, index) => ruled(index, () => verdictAt(endings, position++, installation)))
  return { verdicts, effects }
}

function verdictAt(endings: readonly Ending[] | null, index: number, installation: Installation): Verdict {
  if (endings === null) return { kind: 'delivered' }
  const ending = endings[index]
  if (ending instanceof HubError) return rulingOf(ending)
  if (ending !== undefined) return verdictOf(ending, installation.ambiguous)
  const { id } = installation.plugin.manifest
  return rulingOf(
    new HubError('plugin_invalid_result', `The plugin "${id}" answered no outcome for item ${index} of its batch.`),
  )
}

/**
 * A handler's repeat asks for the deliveries its event would have made; anything else asks for its own. What a batch asks
 * for is no single response's: the deletion of one must not take it away from the others. What somebody caused by hand takes no
 * key that the plugin will want for what it does by itself, and hands its mark on.
 */
function sourceOf(
  deliveries: readonly Delivery[],
  delivery: Delivery,
): Omit<Parameters<typeof toEffects>[1]['source'], 'hops'> {
  const { eventSeq, eventId, formId } = delivery
  const responseId = deliveries.length > 1 ? null : delivery.responseId
  const ofHandler = delivery.kind === 'handler' && eventId !== null
  return {
    eventSeq,
    eventId,
    formId,
    responseId,
    keyBase: ofHandler ? eventId : delivery.id,
    keySuffix: delivery.isTest === true ? `${TEST_MARK}${delivery.id}` : '',
  }
}

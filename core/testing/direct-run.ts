/** Has one run made now, whatever the lanes do: an action for given items, or a schedule. Judged as delivery judges it. */
import { rfc3339 } from '../clock.ts'
import type { Json } from '../contract/index.ts'
import { createAheadRuns } from '../delivery/ahead.ts'
import { startAttempt } from '../delivery/attempt.ts'
import type { AttemptEnd } from '../delivery/attempt.ts'
import { commitEffects } from '../delivery/commit-effects.ts'
import type { Verdict } from '../delivery/outcome.ts'
import { newId } from '../ids.ts'
import type { Delivery, DeliveryKind } from '../model.ts'
import { newDelivery } from '../storage/new-delivery.ts'
import { eventOf, record } from './recorded-events.ts'
import type { RecordedEvent } from './recorded-events.ts'
import type { TestRooms } from './rooms.ts'

/** One item of a run. */
export interface TestItem {
  readonly input?: Json
  /** The event that caused it; it is put into the log first. */
  readonly event?: RecordedEvent
  /**
   * `repeat`: an earlier attempt may have reached the receiver; without it, any attempt but the first. `sentBefore`: when at
   * the latest, RFC 3339; without it, just now.
   */
  readonly delivery?: {
    readonly id?: string
    readonly attempt?: number
    readonly repeat?: boolean
    readonly sentBefore?: string
  }
}

/** What the hub makes of an item's outcome. */
export interface RunOutcome {
  /**
   * `held`: its host must not be asked now; `repeat`: the run was interrupted; neither is an attempt. `unauthorized`: it waits,
   * and the installation would stop until its credential is mended.
   */
  readonly outcome: 'delivered' | 'retry' | 'dead' | 'ambiguous' | 'unauthorized' | 'held' | 'repeat'
  readonly code: string | null
  readonly message: string | null
  readonly afterMs: number | null
  /** The destination is gone: the installation would stop. */
  readonly disable: boolean
}

/** Runs it; effects are committed, the deliveries themselves stand in no list. */
export async function runDirectly(
  rooms: TestRooms,
  run: { readonly kind: DeliveryKind; readonly name: string; readonly items: readonly TestItem[] },
): Promise<readonly RunOutcome[]> {
  const { installation, clock } = rooms
  const deliveries: Delivery[] = []
  for (const item of run.items) deliveries.push(await deliveryOf(rooms, run, item))
  const repeats = new Map(
    deliveries.flatMap((made, i): [string, number][] => {
      const item = run.items[i]
      return isRepeat(item, made) ? [[made.id, Date.parse(item?.delivery?.sentBefore ?? made.createdAt)]] : []
    }),
  )
  const job = { installation, deliveries, runId: newId('run', clock.nowMs()), repeats }
  const end = await new Promise<AttemptEnd>((done) =>
    startAttempt({ ...rooms, sandbox: rooms.recorder.sandbox, ahead: createAheadRuns(clock) }, job, done),
  )
  const { events } = await commitEffects(rooms.store, installation, end.effects)
  rooms.published(events)
  rooms.wakeDeliveries()
  return end.verdicts.map((verdict) => outcomeOf(verdict, end.mask))
}

const isRepeat = (item: TestItem | undefined, { attempts }: Delivery): boolean => item?.delivery?.repeat ?? attempts > 0

async function deliveryOf(
  rooms: TestRooms,
  { kind, name }: { readonly kind: DeliveryKind; readonly name: string },
  { input = null, event, delivery }: TestItem,
): Promise<Delivery> {
  const { installation, clock } = rooms
  const eventId = event === undefined ? null : await record(rooms, event)
  const cause = eventId === null ? undefined : eventOf(rooms, eventId)
  const at = rfc3339(clock.nowMs())
  const made = newDelivery(
    { workspace: installation.workspace, installation: installation.id, plugin: installation.plugin.manifest.id, at },
    {
      id: delivery?.id ?? newId('delivery', clock.nowMs()),
      kind,
      name,
      key: '',
      eventSeq: cause?.seq ?? null,
      eventId,
      formId: cause?.formId ?? null,
      responseId: cause?.responseId ?? null,
      orderKey: null,
      input: JSON.stringify(input),
      dueAtMs: clock.nowMs(),
    },
  )
  return { ...made, attempts: (delivery?.attempt ?? 1) - 1 }
}

function outcomeOf(verdict: Verdict, mask: (text: string) => string): RunOutcome {
  const none = { code: null, message: null, afterMs: null, disable: false }
  switch (verdict.kind) {
    case 'delivered':
    case 'repeat':
      return { ...none, outcome: verdict.kind }
    case 'held':
      return { ...none, outcome: 'held', afterMs: verdict.afterMs ?? null }
    case 'refused':
    case 'retry':
    case 'dead': {
      const { outcome, code, error } = verdict
      const afterMs = verdict.kind === 'retry' ? (verdict.afterMs ?? null) : null
      return { outcome, code, message: mask(error), afterMs, disable: verdict.kind === 'dead' && verdict.disable }
    }
    default: {
      const unknown: never = verdict
      throw new Error(`Unknown verdict ${JSON.stringify(unknown)}.`)
    }
  }
}

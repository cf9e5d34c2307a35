/** A receiver did nothing and asks to be left alone for long, such as when the calls of a day are used up: a person should know, once a day for each installation, whatever its plugin calls it. */
import { alertEvent } from '../alert-event.ts'
import type { Clock } from '../clock.ts'
import { namedId } from '../ids.ts'
import type { NewEvent } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Installation } from '../registry/installation.ts'
import type { Store } from '../storage/store.ts'
import type { Verdict } from './outcome.ts'
import type { Published } from './ports.ts'

export interface LongWaitsDeps {
  readonly store: Pick<Store, 'appendEvents' | 'getEvent'>
  readonly published: Published
  readonly logger: Pick<Logger, 'error'>
  readonly clock: Pick<Clock, 'nowMs'>
}

/** Shorter ones are over before anybody has read of them. */
const LONG_MS = 900_000
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** Is told of every run that ended. */
export function tellOfLongWaits({ store, published, logger, clock }: LongWaitsDeps) {
  /** By installation: the day it was told of last, Unix ms. */
  const told = new Map<string, number>()
  const raise = async (installation: Installation, event: NewEvent, dayMs: number): Promise<void> => {
    const { workspace, key } = installation
    try {
      // Before the last start, or by the process that ran it before.
      if ((await store.getEvent(workspace, event.id)) !== undefined) return
      published(await store.appendEvents(workspace, [event]))
    } catch (error) {
      // The next run that ends so writes it.
      if (told.get(key) === dayMs) told.delete(key)
      logger.error({ err: error, installation: key }, 'the alert of a long wait could not be written')
    }
  }
  return (installation: Installation, verdicts: readonly Verdict[]): void => {
    const wait = verdicts.find(isLongWait)
    if (wait === undefined) return
    const nowMs = clock.nowMs()
    const dayMs = nowMs - (nowMs % DAY_MS)
    if (told.get(installation.key) === dayMs) return
    told.set(installation.key, dayMs)
    void raise(installation, alertOf(installation, wait, { dayMs, nowMs }), dayMs)
  }
}

type Wait = Extract<Verdict, { kind: 'retry' }> & { readonly afterMs: number }

/** That it did nothing and asks for so much time. */
export const isLongWait = (verdict: Verdict): verdict is Wait =>
  verdict.kind === 'retry' && verdict.untouched === true && (verdict.afterMs ?? 0) >= LONG_MS

/** Without the receiver's words: they may be about a response. */
function alertOf(
  { workspace, id, plugin }: Installation,
  { code, afterMs }: Wait,
  { dayMs, nowMs }: { readonly dayMs: number; readonly nowMs: number },
): NewEvent {
  const minutes = Math.round(afterMs / MINUTE_MS)
  const data = {
    kind: 'receiver_waits',
    installation: id,
    plugin: plugin.manifest.id,
    code,
    reason: `the receiver takes nothing for now (${code}); deliveries wait and are tried again by themselves, next in ${minutes} minutes`,
    todo: `what it says, and what may be done: manifold deliveries --installation ${id} --state retrying`,
  }
  return alertEvent(data, nowMs, namedId('event', dayMs, `${workspace}/${id}/receiver_waits/${dayMs}`))
}

/**
 * Runs that begin while their delivery is still on its way to the disk, so that an idle hub does not wait for the disk
 * and the sandbox one after the other. The plugin's code does run, but nothing it wants from the hub happens before the
 * delivery is written: its capability calls wait, and what it answers is looked at by the attempt that takes it over.
 * When the delivery is not written after all, or has waited too long, the run is forgotten with all it asked for.
 */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Delivery } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { RunInput, RunResult } from '../sandbox/sandbox.ts'
import type { OpenedRun } from './ports.ts'

export interface AheadRun {
  readonly opened: OpenedRun
  readonly result: Promise<RunResult>
}

export interface AheadRuns {
  /** How many wait for their delivery, or were forgotten and have not ended yet. */
  open(installationKey: string): number
  begin(installation: Installation, delivery: Delivery, run: AheadStart): void
  /** The delivery is written: what the run waited for goes on. Undefined: none was begun for exactly this delivery. */
  take(installation: Installation, delivery: Delivery): AheadRun | undefined
  /** The event is dealt with, or was refused: what nobody took over is forgotten. */
  forget(eventId: string): void
}

export interface AheadStart {
  readonly eventId: string
  readonly input: RunInput
  readonly opened: OpenedRun
  readonly run: (input: RunInput, handler: OpenedRun['handler']) => Promise<RunResult>
}

interface Waiting {
  /** A reload in between makes another: then the run is not the attempt's. */
  readonly installation: Installation
  readonly delivery: Delivery
  readonly run: AheadRun
  readonly begunMs: number
  readonly open: () => void
  readonly refuse: (error: HubError) => void
}

/** Clocks of the run tick while the disk stalls; an old one would have too little time left. */
const TAKE_WITHIN_MS = 1_000

export function createAheadRuns(clock: Pick<Clock, 'monotonicMs'>): AheadRuns {
  const byEvent = new Map<string, Waiting[]>()
  const counts = new Map<string, number>()
  const count = (key: string, by: number): void => {
    const left = (counts.get(key) ?? 0) + by
    if (left === 0) counts.delete(key)
    else counts.set(key, left)
  }
  const forget = ({ installation, run, refuse }: Waiting): void => {
    void run.result.then(
      () => count(installation.key, -1),
      () => count(installation.key, -1),
    )
    refuse(new HubError('unavailable', 'The delivery of this run was not written.'))
  }
  return {
    open: (key) => counts.get(key) ?? 0,
    begin: (installation, delivery, { eventId, input, opened, run }) => {
      const gate = Promise.withResolvers<void>()
      gate.promise.catch(() => undefined)
      const handler: OpenedRun['handler'] = async (name, args) => {
        await gate.promise
        return opened.handler(name, args)
      }
      const result = run(input, handler)
      result.catch(() => undefined)
      const waiting: Waiting = {
        installation,
        delivery,
        run: { opened, result },
        begunMs: clock.monotonicMs(),
        open: gate.resolve,
        refuse: gate.reject,
      }
      byEvent.set(eventId, [...(byEvent.get(eventId) ?? []), waiting])
      count(installation.key, 1)
    },
    take: (installation, { id, eventId, createdAt }) => {
      const begun = eventId === null ? undefined : byEvent.get(eventId)
      const found = begun?.find(({ delivery }) => delivery.id === id && delivery.createdAt === createdAt)
      if (begun === undefined || found === undefined) return undefined
      begun.splice(begun.indexOf(found), 1)
      if (found.installation !== installation || clock.monotonicMs() - found.begunMs > TAKE_WITHIN_MS) {
        forget(found)
        return undefined
      }
      count(installation.key, -1)
      found.open()
      return found.run
    },
    forget: (eventId) => {
      for (const waiting of byEvent.get(eventId) ?? []) forget(waiting)
      byEvent.delete(eventId)
    },
  }
}

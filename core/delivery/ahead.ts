/**
 * Runs that begin while their delivery is still on its way to the disk, so that an idle hub does not wait for the disk
 * and the sandbox one after the other. Nothing such a run wants from the hub happens before the delivery is written: its
 * capability calls wait, and what it answers is looked at by the attempt that takes it over. When the delivery is not
 * written after all, the run is forgotten, and nobody can tell that it was.
 */
import { HubError } from '../errors.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { RunInput, RunResult } from '../sandbox/sandbox.ts'
import type { OpenedRun } from './ports.ts'

export interface AheadRun {
  readonly opened: OpenedRun
  readonly result: Promise<RunResult>
}

export interface AheadRuns {
  /** How many wait for their delivery. */
  waiting(installationKey: string): number
  begin(installation: Installation, delivery: Delivery, run: AheadStart): void
  /** The delivery is written: what the run waited for goes on. Undefined: none was begun for exactly this delivery. */
  take(delivery: Delivery): AheadRun | undefined
  /** The event is dealt with, or was refused: what nobody took over is forgotten. */
  forget(eventId: string): void
}

export interface AheadStart {
  readonly event: LogEvent
  readonly input: RunInput
  readonly opened: OpenedRun
  readonly run: (input: RunInput, handler: OpenedRun['handler']) => Promise<RunResult>
}

interface Waiting {
  readonly key: string
  readonly delivery: Delivery
  readonly run: AheadRun
  readonly open: () => void
  readonly refuse: (error: HubError) => void
}

export function createAheadRuns(): AheadRuns {
  const byEvent = new Map<string, Waiting[]>()
  const counts = new Map<string, number>()
  const count = (key: string, by: number): void => void counts.set(key, (counts.get(key) ?? 0) + by)
  return {
    waiting: (key) => counts.get(key) ?? 0,
    begin: ({ key }, delivery, { event, input, opened, run }) => {
      const gate = Promise.withResolvers<void>()
      gate.promise.catch(() => undefined)
      const handler: OpenedRun['handler'] = async (name, args) => {
        await gate.promise
        return opened.handler(name, args)
      }
      const result = run(input, handler)
      result.catch(() => undefined)
      const waiting = { key, delivery, run: { opened, result }, open: gate.resolve, refuse: gate.reject }
      const others = byEvent.get(event.id)
      if (others === undefined) byEvent.set(event.id, [waiting])
      else others.push(waiting)
      count(key, 1)
    },
    take: ({ id, eventId, createdAt }) => {
      const begun = eventId === null ? undefined : byEvent.get(eventId)
      const place = begun?.findIndex(({ delivery }) => delivery.id === id && delivery.createdAt === createdAt) ?? -1
      if (begun === undefined || place < 0) return undefined
      const [found] = begun.splice(place, 1) as [Waiting]
      count(found.key, -1)
      found.open()
      return found.run
    },
    forget: (eventId) => {
      for (const { key, refuse } of byEvent.get(eventId) ?? []) {
        count(key, -1)
        refuse(new HubError('unavailable', 'The delivery of this run was not written.'))
      }
      byEvent.delete(eventId)
    },
  }
}

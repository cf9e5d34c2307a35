/** How an installation stands: where the file and its past put it, and how a new state is written down and told. */
import { alertEvent } from '../alert-event.ts'
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { InstallationState, LogEvent, NewEvent, WorkspaceId } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { StateChange, Store, WordsOf } from '../storage/store.ts'
import { isHeld } from './credential.ts'
import type { Installation } from './installation.ts'
import { isRunning } from './states.ts'

/** As far as this process knows. */
export interface Standing {
  readonly installation: Installation
  readonly state: InstallationState
  readonly reason: string | null
  /** Unix ms at which it returns by itself; null: somebody has to see to it. */
  readonly returnsAtMs: number | null
  /** Unix ms of its pauses for used up points, oldest first. */
  readonly pausesAtMs: readonly number[]
  /** Hash of the settings that were refused, of their credential or otherwise; null: none were. */
  readonly refusedHash: string | null
}

/** Where to, and why. Absent: it does not return by itself; the pauses stay as they are. */
export interface Sentence {
  readonly state: InstallationState
  readonly reason: string | null
  readonly returnsAtMs?: number
  readonly pausesAtMs?: readonly number[]
  /** The settings with this hash are refused; absent: none are. */
  readonly refusedHash?: string
  /** Whose words the reason repeats; absent: nobody's. They go when the response does, from the alert as well. */
  readonly words?: WordsOf | undefined
  /** What else the alert says. */
  readonly alert?: { readonly code: string; readonly todo: string } | undefined
}

/** Why a file pauses; a pause with another reason was an operator's and outlives the file's wishes. */
const PAUSED_BY_FILE = 'paused in manifold.yaml'

/** Where an installation stands after the file was read: what an operator or a receiver stopped stays stopped. */
export function seatState(input: {
  readonly state: InstallationState
  readonly reason: string | null
  readonly returnsAtMs: number | null
  readonly paused: boolean
  readonly settingsChanged: boolean
  /** Of the settings it has now, and of those that were refused. */
  readonly hash: string
  readonly refusedHash: string | null
}): Pick<Standing, 'state' | 'reason'> {
  const { state, reason, returnsAtMs, paused } = input
  const settingsChanged = input.settingsChanged || isMended(input)
  const byPoints = state === 'paused' && returnsAtMs !== null
  const still = state === 'disabled' || (state === 'paused' && reason !== PAUSED_BY_FILE)
  // New settings are the admin's answer to whatever disabled it; what would return by itself must not while the file says no.
  const isAnswered = settingsChanged && (state === 'disabled' || byPoints)
  if (still && !isAnswered && !(byPoints && paused)) return { state, reason }
  return paused ? { state: 'paused', reason: PAUSED_BY_FILE } : { state: 'ready', reason: null }
}

/** What held it stands in other settings now, though nobody saw them change: the hub did not run, or ran elsewhere. */
export const isMended = (
  input: Pick<Standing, 'state' | 'reason' | 'refusedHash'> & { readonly hash: string },
): boolean => isHeld(input) && input.refusedHash !== null && input.refusedHash !== input.hash

interface WriteDeps {
  readonly store: Pick<Store, 'setInstallationState' | 'getEvent'>
  readonly clock: Pick<Clock, 'nowMs'>
  readonly logger: Logger
  readonly published: (events: readonly LogEvent[]) => void
}

/**
 * Writes a state, with a line in the log, and with an `alert.raised` event when it stands still, is held back, or when the
 * hub decided by itself (`only`). False: `only` does not hold any more, and nothing was written.
 */
export async function writeState(
  { store, clock, logger, published }: WriteDeps,
  { workspace, id }: { readonly workspace: WorkspaceId; readonly id: string },
  { only, alert, ...sentence }: Sentence & { readonly only?: StateChange['only'] },
): Promise<boolean> {
  const nowMs = clock.nowMs()
  // A pause that ends by itself is known by its own time.
  const sinceMs = sentence.returnsAtMs === undefined ? nowMs : (sentence.pausesAtMs?.at(-1) ?? nowMs)
  const { state, reason, words } = sentence
  const event = state === 'ready' && only === undefined ? null : alertOf(id, { state, reason, alert, words }, nowMs)
  if (!(await store.setInstallationState({ workspace, id, ...sentence, at: rfc3339(sinceMs), only, event })))
    return false
  const fields = { installation: id, state, reason }
  if (state === 'ready') logger.info(fields, 'installation runs')
  else logger.warn(fields, isRunning(state) ? 'installation runs one delivery at a time' : 'installation stands still')
  const logged = event === null ? undefined : await store.getEvent(workspace, event.id)
  if (logged !== undefined) published([logged])
  return true
}

/** Where nobody said what to do. */
const todoOf = (state: InstallationState, id: string): { readonly todo?: string } => {
  if (state === 'disabled') return { todo: `mend that, then: manifold installations resume ${id}` }
  if (state !== 'invalid') return {}
  return { todo: 'mend its plugin or its settings, either is tried by itself; what is wrong: manifold status' }
}

const alertOf = (
  id: string,
  { state, reason, alert, words }: Pick<Sentence, 'state' | 'reason' | 'alert' | 'words'>,
  nowMs: number,
): NewEvent => ({
  ...alertEvent(
    {
      kind: `installation_${state.replace('-', '_')}`,
      installation: id,
      reason,
      ...(alert ?? todoOf(state, id)),
    },
    nowMs,
  ),
  responseId: words?.responseId ?? null,
})

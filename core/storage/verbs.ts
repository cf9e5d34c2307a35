/** Every procedure by name: what a driver can be asked to run, and on which side of it. */
import { accept } from './procedures/accept.ts'
import { finishAttempts, listAttempts } from './procedures/attempts.ts'
import { laneCounts, noteLooks } from './procedures/lane-notes.ts'
import { countDeliveries, getDelivery, listDeliveries, loadDue, nextDue } from './procedures/deliveries.ts'
import { discard, purgeQuarantineSlice } from './procedures/discard.ts'
import { groupDead } from './procedures/dead-groups.ts'
import { deleteForm, deleteResponse, erasures, eraseSlice } from './procedures/erase.ts'
import {
  appendEvents,
  eventOfResponse,
  getEvent,
  headSeq,
  newestTold,
  readEvents,
  seqBefore,
} from './procedures/events.ts'
import { getForm, listForms, listFormVersions, saveForm } from './procedures/forms.ts'
import {
  commitHandled,
  rewindCursor,
  saveCheck,
  setInstallationState,
  syncInstallations,
} from './procedures/installations.ts'
import { daySalt } from './procedures/day-salt.ts'
import { foldLadderSlice } from './procedures/ladder.ts'
import { ladderHeld, readLadder } from './procedures/ladder-read.ts'
import { dropAsideEvents, listAsideEvents, putAsideEvents } from './procedures/event-quarantine.ts'
import { expireTrackedSlice } from './procedures/expire-tracked.ts'
import {
  countHooks,
  endedHooks,
  getHook,
  hooksFor,
  listHooks,
  noteHooks,
  removeHook,
  saveHook,
} from './procedures/hooks.ts'
import { createKey, followLink, keyByHash, listKeys, openSession, revokeKey, touchKeys } from './procedures/keys.ts'
import { kvCount, kvGet, kvList, tallies, talliesHeld } from './procedures/memory.ts'
import { addNote, listNotes } from './procedures/notes.ts'
import { tellStopped, untoldHooks } from './procedures/hook-stops.ts'
import { settleOperators, strayOperators } from './procedures/operator-keys.ts'
import { countQuarantine, getQuarantined, listQuarantine, quarantineCounts } from './procedures/quarantine.ts'
import { release, releasedInto } from './procedures/release.ts'
import { countReplaySlice, discardDeliveries, hastenSlice, replay } from './procedures/replay.ts'
import { countResponses, getResponse, listResponses } from './procedures/responses.ts'
import { appendRuns, getRun, listRuns } from './procedures/runs.ts'
import { fireSchedule, schedules } from './procedures/schedules.ts'
import { addTraffic, traffic } from './procedures/traffic.ts'
import { track } from './procedures/track.ts'
import { ping, purgeSlice, totals } from './procedures/upkeep.ts'
import type { Procedure } from './procedure.ts'
import { isPlain } from './submitted-event.ts'

/** Procedures that write. Each is a transaction, or a part of one whose failure undoes only itself. */
export const WRITES = {
  accept,
  addNote,
  addTraffic,
  appendEvents,
  appendRuns,
  commitHandled,
  createKey,
  daySalt,
  deleteForm,
  deleteResponse,
  discard,
  discardDeliveries,
  dropAsideEvents,
  eraseSlice,
  expireTrackedSlice,
  finishAttempts,
  fireSchedule,
  foldLadderSlice,
  followLink,
  hastenSlice,
  noteLooks,
  noteHooks,
  openSession,
  ping,
  putAsideEvents,
  purgeQuarantineSlice,
  purgeSlice,
  release,
  removeHook,
  replay,
  revokeKey,
  rewindCursor,
  saveCheck,
  saveForm,
  saveHook,
  setInstallationState,
  settleOperators,
  syncInstallations,
  tellStopped,
  touchKeys,
  track,
} as const

/** Procedures that only read. They see everything that was committed before they were asked for. */
export const READS = {
  countDeliveries,
  countHooks,
  countQuarantine,
  countReplaySlice,
  countResponses,
  endedHooks,
  erasures,
  eventOfResponse,
  getDelivery,
  getEvent,
  getForm,
  getHook,
  getQuarantined,
  getResponse,
  getRun,
  groupDead,
  headSeq,
  hooksFor,
  keyByHash,
  kvCount,
  kvGet,
  kvList,
  ladderHeld,
  laneCounts,
  listAttempts,
  listAsideEvents,
  listDeliveries,
  listFormVersions,
  listForms,
  listHooks,
  listKeys,
  listNotes,
  listQuarantine,
  listResponses,
  listRuns,
  loadDue,
  newestTold,
  nextDue,
  quarantineCounts,
  readEvents,
  readLadder,
  releasedInto,
  schedules,
  seqBefore,
  strayOperators,
  tallies,
  talliesHeld,
  totals,
  traffic,
  untoldHooks,
} as const

/** Calls of one verb that stand next to each other in a group and may be run as one. */
export interface Merge<Input, Result> {
  readonly mayJoin: (input: Input) => boolean
  readonly join: (inputs: readonly Input[]) => Input
  /** The result of each, in order. */
  readonly split: (result: Result, inputs: readonly Input[]) => readonly Result[]
}

/** One statement for many rows costs a fraction of one for each. */
export const MERGES: { readonly [V in WriteVerb]?: Merge<InputOf<V>, ResultOf<V>> } = {
  accept: {
    mayJoin: ({ submissions }) => submissions.every(isPlain),
    join: (inputs) => ({
      submissions: inputs.flatMap(({ submissions }) => submissions),
      idempotencyTtlMs: inputs[0]?.idempotencyTtlMs ?? 0,
    }),
    split: (accepted, inputs) => {
      let from = 0
      return inputs.map(({ submissions }) => accepted.slice(from, (from += submissions.length)))
    },
  },
  track: {
    mayJoin: () => true,
    join: (inputs) => ({ events: inputs.flatMap(({ events }) => events) }),
    split: (tracked, inputs) => {
      let from = 0
      return inputs.map(({ events }) => tracked.slice(from, (from += events.length)))
    },
  },
}

type Registry = typeof WRITES & typeof READS

export type WriteVerb = keyof typeof WRITES
export type ReadVerb = keyof typeof READS
export type Verb = WriteVerb | ReadVerb

/** What a procedure takes; those without a parameter take undefined. */
export type InputOf<V extends Verb> = Parameters<Registry[V]> extends [infer Input] ? Input : undefined

/** What a procedure answers. */
export type ResultOf<V extends Verb> = ReturnType<Registry[V]> extends Procedure<infer Result> ? Result : never

/** Runs procedures on some database. */
export interface Driver {
  write<V extends WriteVerb>(verb: V, input: InputOf<V>): Promise<ResultOf<V>>
  read<V extends ReadVerb>(verb: V, input: InputOf<V>): Promise<ResultOf<V>>
}

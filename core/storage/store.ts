/**
 * What the rooms may ask of storage. One implementation a folder (`sqlite/`, later `postgres/`); all pass
 * `test/contract/store.ts`. Every verb is one transaction, durable when its promise resolves, and scoped to a
 * workspace. Concurrent verbs may share a commit, never a fate: one that fails leaves the others whole.
 *
 * Rejections are HubErrors: `storage_busy`, `storage_full` (nothing was written; trying again is safe) and
 * `storage_failed` (the disk lied; the store refuses everything from then on and `fatal` fires).
 */
import type {
  Attempt,
  Checked,
  Delivery,
  Form,
  FormDefinition,
  InstallationRow,
  InstallationState,
  LogEvent,
  NewDelivery,
  NewEvent,
  Quarantined,
  QuarantineVerdict,
  RunRecord,
  StoredResponse,
  WorkspaceId,
} from '../model.ts'
import type { LaneHealth, WordsOf } from './lane-health.ts'
import type { FinishedAttempt, HandledBatch, HandledResult } from './handled.ts'
import type { HookStore } from './hook-store.ts'
import type { DiscardTrace } from './discard-trace.ts'
import type { KeyStore } from './key-store.ts'
import type {
  DeadGroup,
  DeliveryQuery,
  FormQuery,
  Page,
  PageQuery,
  QuarantineFilter,
  ReplayQuery,
  ResponseQuery,
  RunQuery,
  SearchedPage,
  ToldEvent,
} from './queries.ts'
import type { LadderInput } from './procedures/ladder.ts'
import type { LadderQuery, LadderRead, RungHeld } from './procedures/ladder-read.ts'
import type { AcceptResult, Submission } from './submission.ts'
import type { AsideEvent, ExpireTracked, TrackedEvent, TrackResult } from './tracked.ts'

export type { Effects, FinishedAttempt, HandledBatch, HandledResult } from './handled.ts'
export type { HookNote, HooksOf, NewHook, NewNote, RemoveIf } from './hook-store.ts'
export type {
  DeadGroup,
  DeliveryQuery,
  FormQuery,
  Page,
  PageQuery,
  QuarantineFilter,
  ReplayQuery,
  ResponseQuery,
  RunQuery,
  SearchedPage,
  ToldEvent,
} from './queries.ts'
export type { LaneHealth, WordsOf } from './lane-health.ts'
export type { AcceptResult, Aside, Forward, Rejection, Submission } from './submission.ts'
export type { LadderQuery, LadderRead, RungHeld } from './procedures/ladder-read.ts'
export type { AsideEvent, TrackedEvent, TrackResult } from './tracked.ts'

/** Runs like this one that were not recorded. */
export interface MoreRuns {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly by: number
}

/** How often something happened in a minute: a response came, an attempt failed, a delivery went well within so many ms. */
export interface TrafficCount {
  readonly workspace: WorkspaceId
  /** Since 1970. */
  readonly minute: number
  readonly what: string
  readonly count: number
}

export interface ScheduleRow {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly name: string
  readonly lastFiredAtMs: number
}

export interface LaneCounts {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly pending: number
  readonly retrying: number
  readonly dead: number
  readonly delivered: number
  /** Creation time of the oldest that is pending or retrying. */
  readonly oldestAt: string | null
}

/** A new state of an installation. What `only` names must still be stored, or somebody else has decided meanwhile. */
export interface StateChange {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly state: InstallationState
  readonly reason: string | null
  readonly at: string
  /** Unix ms at which it returns by itself, of a pause whose time is the last of `pausesAtMs`, as is `at`; absent: never. */
  readonly returnsAtMs?: number | null
  /** Replaces the list; absent: it stays. */
  readonly pausesAtMs?: readonly number[] | undefined
  /** Of the settings whose credential is refused; absent: none is. */
  readonly refusedHash?: string | null
  /** Of whom the reason repeats what a receiver said; absent: it is nobody's. */
  readonly words?: WordsOf | undefined
  readonly only?: { readonly state: InstallationState; readonly returnsAtMs: number | null } | undefined
  readonly event: NewEvent | null
}

/** A place in the order in which due deliveries are read. */
export type DuePlace = Pick<Delivery, 'dueAtMs' | 'id'>

export interface Store extends HookStore, KeyStore {
  // forms
  /** Creates (version 1) or changes (version + 1, only when something differs) and appends `form.changed`. */
  saveForm(input: {
    workspace: WorkspaceId
    id: string
    definition: FormDefinition
    managedBy: Form['managedBy']
    at: string
    eventId: string
    /** `create` fails with `conflict` when the id exists; `update` fails with `not_found` when it does not. */
    mode: 'create' | 'update' | 'upsert'
    /** The version that was changed into this one: fails with `conflict` when it is not the newest any more. */
    basedOn?: number | undefined
  }): Promise<{ form: Form; changed: boolean; event: LogEvent | null }>
  getForm(workspace: WorkspaceId, id: string): Promise<Form | undefined>
  /** Public look-up for `/f/{id}`: form ids are unique per workspace, so the workspace comes with the path or is the default. */
  listForms(workspace: WorkspaceId, query: FormQuery): Promise<Page<Form>>
  listFormVersions(workspace: WorkspaceId, id: string): Promise<readonly Form[]>
  /**
   * Deletes the form, its responses and what of it is in quarantine; deliveries and events stay with their data erased.
   * False when there is none.
   */
  deleteForm(workspace: WorkspaceId, id: string, event: NewEvent): Promise<boolean>

  // responses
  accept(submissions: readonly Submission[]): Promise<readonly AcceptResult[]>
  getResponse(workspace: WorkspaceId, id: string): Promise<StoredResponse | undefined>
  /**
   * In the order of creation. What was answered, and that a response is completed, no index knows: a page looks for it as long as
   * `responseSearchMsMax`, so it may be short or empty and have a next one that goes on where it ended.
   */
  listResponses(workspace: WorkspaceId, query: ResponseQuery): Promise<SearchedPage<StoredResponse>>
  countResponses(workspace: WorkspaceId, form?: string): Promise<number>
  /**
   * Removes the response and its data from the log, deliveries, attempts and last errors, drops its runs, and appends `response.deleted`. Deliveries of
   * it that still waited are dead with `event_erased`; none of its deliveries can be replayed.
   */
  deleteResponse(workspace: WorkspaceId, id: string, event: NewEvent): Promise<boolean>

  // quarantine
  getQuarantined(workspace: WorkspaceId, id: string): Promise<Quarantined | undefined>
  /** Newest first. */
  listQuarantine(workspace: WorkspaceId, query: QuarantineFilter & PageQuery): Promise<Page<Quarantined>>
  countQuarantine(workspace: WorkspaceId, filter: QuarantineFilter): Promise<number>
  /** By verdict, of all workspaces; for numbers. */
  quarantineCounts(): Promise<Readonly<Record<QuarantineVerdict, number>>>
  /**
   * Takes up to `limit` of them out, oldest first, and stores each as `accept` would have then, under its id, with its
   * event at `at`. Each once: what somebody else took is not among the results. What its form did not take
   * (`form-mismatch`) stays: it is accepted again under its client id, which takes it out.
   */
  release(input: {
    workspace: WorkspaceId
    filter: QuarantineFilter & { readonly id?: string }
    limit: number
    at: string
  }): Promise<readonly AcceptResult[]>
  /** The other id under which a release stored it; null: its own, or not at all. */
  releasedInto(workspace: WorkspaceId, id: string): Promise<string | null>
  /**
   * Deletes it for good with every copy of it, as `deleteResponse` does, and appends `response.discarded`; false when it is
   * not there.
   */
  discard(workspace: WorkspaceId, id: string, event: NewEvent): Promise<boolean>

  // the log
  /** Entries after `afterSeq`, in order. Without a workspace: all (the hub's own readers only). */
  readEvents(query: { workspace?: WorkspaceId; afterSeq: number; limit: number }): Promise<readonly LogEvent[]>
  getEvent(workspace: WorkspaceId, id: string): Promise<LogEvent | undefined>
  /** The newest `response.*` event that carries the answers of this response; undefined for one that is not there. */
  eventOfResponse(workspace: WorkspaceId, responseId: string): Promise<LogEvent | undefined>
  /**
   * What hooks are told besides responses, of all forms (null) or of one, and with `notOf` not about that installation: the newest
   * that nobody erased, newest first.
   */
  newestTold(query: {
    workspace: WorkspaceId
    event: ToldEvent
    formId: string | null
    notOf?: string
    limit: number
  }): Promise<readonly LogEvent[]>
  appendEvents(workspace: WorkspaceId, events: readonly NewEvent[]): Promise<readonly LogEvent[]>
  /** Behaviour events, in order; each is written unless its sender's id was here before. */
  track(events: readonly TrackedEvent[]): Promise<readonly TrackResult[]>
  /**
   * Forgets what behaviour events received before this time say, and counts them on the ladder; `events`: an `events.expired` of
   * each workspace and slice, appended with it.
   */
  expireTracked(input: ExpireTracked): Promise<{ readonly dropped: number; readonly events: LogEvent[] }>
  /** Moves counts that are past their rung to the next one, and drops those past the last; how many rows. */
  foldLadder(input: LadderInput): Promise<{ readonly moved: number; readonly dropped: number }>
  readLadder(query: LadderQuery): Promise<LadderRead>
  ladderHeld(workspace: WorkspaceId): Promise<readonly RungHeld[]>
  /** Keeps events that their family does not take; the id under which each stands there, in order, null where there is no room. */
  putAsideEvents(
    workspace: WorkspaceId,
    events: readonly AsideEvent[],
    rowsMax: number,
  ): Promise<readonly (string | null)[]>
  /** Oldest first. */
  listAsideEvents(workspace: WorkspaceId, page: PageQuery): Promise<Page<AsideEvent>>
  /** How many were there. */
  dropAsideEvents(workspace: WorkspaceId, ids: readonly string[]): Promise<number>
  /** The salt of a day: `fresh`, unless another process brought one before. */
  daySalt(input: { day: string; fresh: string; expiresAtMs: number }): Promise<string>
  /** Highest sequence, 0 when empty. */
  headSeq(): Promise<number>
  /** The last sequence committed before this time: where a backfill starts. */
  seqBefore(workspace: WorkspaceId, at: string): Promise<number>

  // installations
  /** Makes a row for each new one (cursor as given); leaves the others' cursor and state alone. Returns all rows. */
  syncInstallations(
    wanted: readonly { workspace: WorkspaceId; id: string; plugin: string; cursor: number; at: string }[],
  ): Promise<readonly InstallationRow[]>
  /** False: `only` does not hold any more, and nothing was written. */
  setInstallationState(input: StateChange): Promise<boolean>
  /** Nothing when there is no such installation any more. */
  saveCheck(input: Checked & { readonly workspace: WorkspaceId; readonly id: string }): Promise<void>
  /** Back to there, never forward. Answers where it stands. */
  rewindCursor(workspace: WorkspaceId, id: string, cursor: number): Promise<number>
  commitHandled(batch: HandledBatch): Promise<HandledResult>

  // deliveries
  /** Pending or retrying ones due by `untilMs`, oldest due first, except those in `exceptIds`. */
  loadDue(query: {
    workspace: WorkspaceId
    installation: string
    untilMs: number
    limit: number
    exceptIds: readonly string[]
    /** Of those sharing an order key only the oldest waiting one, and only when that one is due: what a FIFO lane may run. */
    heads?: boolean
    /** None before this one. */
    from?: DuePlace
  }): Promise<readonly Delivery[]>
  /** Unix ms at which the next waiting one is due, of those due later than `afterMs` (default: of all); null when none is. */
  nextDue(workspace: WorkspaceId, installation: string, afterMs?: number): Promise<number | null>
  /**
   * `deliveries` are the new ones that the attempts' effects created (as in `HandledResult`); `events` what was appended,
   * `delivery.dead` included. `refused`: ids of deliveries that are gone, or ended meanwhile (deleted response, another
   * process); of those nothing is written, the others are.
   */
  finishAttempts(finished: readonly FinishedAttempt[]): Promise<{
    deliveries: readonly Delivery[]
    events: readonly LogEvent[]
    refused: readonly string[]
  }>
  getDelivery(workspace: WorkspaceId, id: string): Promise<Delivery | undefined>
  /**
   * Where filters are left that no index knows, a page is what was found in so many rows, newest first: it may be short,
   * even empty, and have a `next` all the same.
   */
  listDeliveries(workspace: WorkspaceId, query: DeliveryQuery): Promise<Page<Delivery>>
  /** The largest first. `whole`: these are all groups of all that match, not only the largest of the newest. */
  groupDead(
    workspace: WorkspaceId,
    query: Omit<DeliveryQuery, 'limit' | 'after' | 'text' | 'cause'>,
  ): Promise<{ readonly groups: readonly DeadGroup[]; readonly whole: boolean }>
  listAttempts(workspace: WorkspaceId, deliveryId: string): Promise<readonly Attempt[]>
  countDeliveries(workspace: WorkspaceId, query: Omit<DeliveryQuery, 'limit' | 'after' | 'text'>): Promise<number>
  laneCounts(): Promise<readonly LaneCounts[]>
  /** Writes how looks of transforms ended beside how attempts did. */
  noteLooks(looks: readonly LaneHealth[]): Promise<void>
  /** Adds to the minutes it names. */
  addTraffic(counts: readonly TrafficCount[]): Promise<void>
  /** From a minute on, in steps of so many minutes, in their order; `minute` is the first of a step. */
  traffic(query: {
    workspace: WorkspaceId
    sinceMinute: number
    stepMinutes: number
  }): Promise<readonly Omit<TrafficCount, 'workspace'>[]>
  countReplay(query: ReplayQuery): Promise<number>
  /**
   * Makes up to `limit` of them pending and due now, oldest first; ids and attempt counts stay. Returns them, and where to
   * go on: as with lists, a step may be short and have a `next` all the same.
   */
  replay(query: ReplayQuery & { limit: number; nowMs: number }): Promise<Page<Delivery>>
  /** Deletes up to `limit` of them for good, with the event that says so, oldest first; as with `replay`, a step may be short and have a `next`. */
  discardDeliveries(
    query: ReplayQuery & { limit: number; trace: DiscardTrace },
  ): Promise<{ n: number; next: string | null }>
  /** Makes every waiting one of the installation (and host) due now: a breaker has closed. */
  hasten(lane: { workspace: WorkspaceId; installation: string; host: string | null; nowMs: number }): Promise<number>

  // the history of runs
  /**
   * Adds entries and raises the counts of earlier ones (`more`), then drops the oldest of the same installations beyond
   * the number that is kept. Entries about erased responses are not written.
   */
  appendRuns(entries: { readonly runs: readonly RunRecord[]; readonly more: readonly MoreRuns[] }): Promise<void>
  /** Newest start first. */
  listRuns(workspace: WorkspaceId, query: RunQuery): Promise<Page<RunRecord>>
  getRun(workspace: WorkspaceId, id: string): Promise<RunRecord | undefined>

  // plugin memory
  kvGet(query: {
    workspace: WorkspaceId
    installation: string
    key: string
    nowMs: number
  }): Promise<string | undefined>
  kvList(query: {
    workspace: WorkspaceId
    installation: string
    prefix: string
    after: string | null
    limit: number
    nowMs: number
  }): Promise<{ keys: readonly string[]; next: string | null }>
  kvCount(workspace: WorkspaceId, installation: string): Promise<number>
  /** In order of name, as far as an object keeps one. */
  tallies(query: {
    workspace: WorkspaceId
    installation: string
    prefix: string
    after: string | null
    limit: number
  }): Promise<Readonly<Record<string, number>>>
  /** How many counters an installation has, and which of these. */
  talliesHeld(query: {
    workspace: WorkspaceId
    installation: string
    names: readonly string[]
  }): Promise<{ count: number; found: readonly string[] }>

  // schedules
  schedules(): Promise<readonly ScheduleRow[]>
  /**
   * Compare-and-set of the last firing, with the delivery that runs it; false when another process was first. The first
   * firing ever (no row yet) may come from any `fromMs`. Null: fired, without a delivery or with one that was there already.
   */
  fireSchedule(input: {
    workspace: WorkspaceId
    installation: string
    plugin: string
    name: string
    fromMs: number
    toMs: number
    delivery: NewDelivery | null
    at: string
  }): Promise<Delivery | null | false>

  // upkeep
  /** Drops idempotency keys, expired kv and old runs, and names what older programs let die unnamed; returns how many rows went. */
  purge(nowMs: number): Promise<number>
  /** Deletes what was put into quarantine before this time, as `discard` does but without an event each; returns how many. */
  purgeQuarantine(before: string): Promise<number>
  /** A consistent copy while running. `progress` gets 0..1. */
  backup(file: string, progress?: (fraction: number) => void): Promise<void>
  stats(): Promise<{
    readonly bytes: number
    readonly walBytes: number
    readonly responses: number
    readonly events: number
  }>
  /** Throws `unavailable` unless a write could be committed now. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** Told once when the store can no longer keep its promise; the process must stop taking work and exit. */
export type FatalListener = (error: Error) => void

/** The store's verbs over any driver: the model's words go in as rows and come back as the model's words. */
import { rfc3339 } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { Delivery, LogEvent, NewEvent } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Accepted } from './procedures/accept.ts'
import type { EffectOwner, EffectsWritten } from './procedures/effects.ts'
import type { Finished } from './procedures/attempts.ts'
import { definitionText } from './procedures/forms.ts'
import type { Released } from './procedures/release.ts'
import { toDelivery, toEvent, toForm, toInstallation, toKey, toLane, toSchedule } from './rows.ts'
import { toQuarantined } from './quarantine-rows.ts'
import { runRow, toRun } from './run-rows.ts'
import { mapped, mappedPage } from './mapped.ts'
import { newDelivery } from './new-delivery.ts'
import type { KeyStore } from './key-store.ts'
import type { AcceptResult, Effects, FinishedAttempt, Store, Submission } from './store.ts'
import { submittedEvent } from './submitted-event.ts'
import { deliveryVerbs } from './delivery-verbs.ts'
import type { DeliveryLimits } from './delivery-verbs.ts'
import { hookVerbs } from './hook-verbs.ts'
import { memoryVerbs } from './memory-verbs.ts'
import { trackVerbs } from './track-verbs.ts'
import { responseVerbs } from './response-verbs.ts'
import type { Driver } from './verbs.ts'

/** The part of a store that is SQL; the rest is the backend's own. */
export type SharedStore = Omit<Store, 'backup' | 'stats' | 'ping' | 'close'>

/** What the shared part needs beside the driver. */
export interface OverDriverOptions {
  readonly limits: Pick<
    Limits,
    | 'idempotencyTtlMs'
    | 'responseSearchRowsMax'
    | 'responseSearchMsMax'
    | 'runsKeptMs'
    | 'trafficKeptMs'
    | 'runsKeptPerInstallation'
    | 'hooksPerWorkspaceMax'
    | 'notesPerResponseMax'
  > &
    DeliveryLimits
  readonly nowMs: () => number
}

/** Makes the shared verbs. */
export function storeOver(driver: Driver, options: OverDriverOptions): SharedStore {
  return {
    ...formVerbs(driver),
    ...acceptVerb(driver, options),
    ...responseVerbs(driver, options),
    ...quarantineVerbs(driver),
    ...logVerbs(driver),
    ...trackVerbs(driver),
    ...installationVerbs(driver, options),
    ...laneVerbs(driver),
    ...deliveryVerbs(driver, options.limits),
    ...runVerbs(driver, options),
    ...memoryVerbs(driver),
    ...hookVerbs(driver, options.limits),
    ...keyVerbs(driver),
    addTraffic: (counts) => driver.write('addTraffic', counts),
    traffic: (query) => driver.read('traffic', query),
    purge: async (nowMs) => {
      let dropped = 0
      for (;;) {
        const { runsKeptMs, trafficKeptMs } = options.limits
        const before = { runsBeforeMs: nowMs - runsKeptMs, trafficBeforeMs: nowMs - trafficKeptMs }
        const slice = await driver.write('purgeSlice', { nowMs, ...before })
        dropped += slice.dropped
        if (!slice.more) return dropped
      }
    },
    purgeQuarantine: async (before) => {
      let dropped = 0
      for (;;) {
        const slice = await driver.write('purgeQuarantineSlice', { before, at: rfc3339(options.nowMs()) })
        dropped += slice.dropped
        if (!slice.more) return dropped
      }
    },
  }
}

/** Works off what is left of a form's deletion. */
async function finishErasure(
  driver: Driver,
  form: { readonly workspace: string; readonly formId: string; readonly at: string },
): Promise<void> {
  while (!(await driver.write('eraseSlice', form)));
}

/** Forms whose deletion was cut short are worked off in the background; several processes at it only share the work. */
export function resumeErasures(driver: Driver, { nowMs, logger }: { nowMs: () => number; logger: Logger }): void {
  const resume = async (): Promise<void> => {
    for (const { workspace, form_id: form } of await driver.read('erasures', undefined)) {
      logger.info({ workspace, form }, 'goes on deleting a form')
      await finishErasure(driver, { workspace, formId: form, at: rfc3339(nowMs()) })
    }
  }
  resume().catch((error: unknown) => {
    logger.warn(
      { error: String(error) },
      'the deletion of a form could not be finished; the next start goes on with it',
    )
  })
}

type Part<Names extends keyof Store> = Pick<Store, Names>

function formVerbs(driver: Driver): Part<'saveForm' | 'getForm' | 'listForms' | 'listFormVersions' | 'deleteForm'> {
  return {
    saveForm: async ({ definition, ...input }) => {
      const saved = await driver.write('saveForm', { ...input, definition: definitionText(definition) })
      const { workspace, id, at, eventId } = input
      if (saved.event === null) return { form: toForm(saved.row), changed: false, event: null }
      const event = {
        id: eventId,
        type: 'form.changed',
        at,
        formId: id,
        responseId: null,
        hops: 0,
        data: saved.event.data,
      }
      return { form: toForm(saved.row), changed: true, event: logged(event, { workspace, seq: saved.event.seq }) }
    },
    getForm: async (workspace, id) => mapped(await driver.read('getForm', { workspace, id }), toForm),
    listForms: async (workspace, query) => mappedPage(await driver.read('listForms', { workspace, query }), toForm),
    listFormVersions: async (workspace, id) => (await driver.read('listFormVersions', { workspace, id })).map(toForm),
    deleteForm: async (workspace, id, event) => {
      const seq = await driver.write('deleteForm', { workspace, id, event })
      if (seq === null) return false
      await finishErasure(driver, { workspace, formId: id, at: event.at })
      return true
    },
  }
}

function acceptVerb(driver: Driver, { limits: { idempotencyTtlMs } }: OverDriverOptions): Part<'accept'> {
  return {
    accept: async (submissions) => {
      if (submissions.length === 0) return []
      const accepted = await driver.write('accept', { submissions, idempotencyTtlMs })
      return accepted.map((result, i) => acceptResult(result, submissions[i] as Submission))
    },
  }
}

function quarantineVerbs(
  driver: Driver,
): Part<
  'getQuarantined' | 'listQuarantine' | 'countQuarantine' | 'quarantineCounts' | 'release' | 'releasedInto' | 'discard'
> {
  return {
    getQuarantined: async (workspace, id) =>
      mapped(await driver.read('getQuarantined', { workspace, id }), toQuarantined),
    listQuarantine: async (workspace, query) =>
      mappedPage(await driver.read('listQuarantine', { workspace, query }), toQuarantined),
    countQuarantine: (workspace, filter) => driver.read('countQuarantine', { workspace, filter }),
    quarantineCounts: async () => {
      const counts = { flagged: 0, rejected: 0, failed: 0 }
      for (const { verdict, n } of await driver.read('quarantineCounts', undefined)) counts[verdict] = Number(n)
      return counts
    },
    release: async (input) => (await driver.write('release', input)).map(releaseResult),
    releasedInto: (workspace, id) => driver.read('releasedInto', { workspace, id }),
    discard: async (workspace, id, event) => (await driver.write('discard', { workspace, id, event })) !== null,
  }
}

function releaseResult(released: Released): AcceptResult {
  if ('accepted' in released) return acceptResult(released.accepted, released.submission)
  const { id: responseId, status, at } = released.superseded
  return { kind: 'duplicate', responseId, status, at }
}

function acceptResult(result: Accepted, submission: Submission): AcceptResult {
  if (result.kind === 'quarantined') {
    const { responseId, completes, eventSeq, eventData } = result
    const { workspace, formId, at, aside } = submission
    const event = {
      id: aside?.eventId ?? '',
      type: 'response.quarantined',
      at,
      formId,
      responseId: result.id,
      hops: 0,
      data: eventData,
    }
    return { kind: 'quarantined', responseId, completes, event: logged(event, { workspace, seq: eventSeq }) }
  }
  if (!('seq' in result)) return result
  const { kind, responseId, seq, deliveryIds = [] } = result
  const { workspace, at, forwards = [] } = submission
  const deliveries = forwards
    .filter(({ delivery }) => deliveryIds.includes(delivery.id))
    .map(({ installation, plugin, delivery }) =>
      newDelivery({ workspace, installation, plugin, at }, { ...delivery, eventSeq: seq }),
    )
  return { kind, responseId, event: submittedEvent(submission, result), deliveries }
}

function logVerbs(
  driver: Driver,
): Part<'readEvents' | 'getEvent' | 'eventOfResponse' | 'newestTold' | 'appendEvents' | 'headSeq' | 'seqBefore'> {
  return {
    readEvents: async (query) => (await driver.read('readEvents', query)).map(toEvent),
    getEvent: async (workspace, id) => mapped(await driver.read('getEvent', { workspace, id }), toEvent),
    eventOfResponse: async (workspace, responseId) =>
      mapped(await driver.read('eventOfResponse', { workspace, responseId }), toEvent),
    newestTold: async (query) => (await driver.read('newestTold', query)).map(toEvent),
    appendEvents: async (workspace, events) => {
      if (events.length === 0) return []
      const last = await driver.write('appendEvents', { workspace, events })
      return events.map((event, i) => logged(event, { workspace, seq: last - events.length + 1 + i }))
    },
    headSeq: () => driver.read('headSeq', undefined),
    seqBefore: (workspace, at) => driver.read('seqBefore', { workspace, at }),
  }
}

function installationVerbs(
  driver: Driver,
  { nowMs }: OverDriverOptions,
): Part<'syncInstallations' | 'setInstallationState' | 'saveCheck' | 'rewindCursor' | 'commitHandled'> {
  return {
    syncInstallations: async (wanted) => (await driver.write('syncInstallations', wanted)).map(toInstallation),
    setInstallationState: (input) => driver.write('setInstallationState', input),
    saveCheck: (input) => driver.write('saveCheck', input),
    rewindCursor: (workspace, id, cursor) => driver.write('rewindCursor', { workspace, id, cursor }),
    commitHandled: async (batch) => {
      const at = rfc3339(nowMs())
      const handled = await driver.write('commitHandled', { batch, at })
      if (handled.kind === 'moved') return handled
      return { kind: 'committed', ...effectsOf({ ...batch, at }, batch.effects, handled) }
    },
  }
}

function laneVerbs(
  driver: Driver,
): Part<'loadDue' | 'nextDue' | 'finishAttempts' | 'laneCounts' | 'noteLooks' | 'schedules' | 'fireSchedule'> {
  return {
    loadDue: async (query) => (await driver.read('loadDue', query)).map(toDelivery),
    nextDue: (workspace, installation, afterMs = 0) => driver.read('nextDue', { workspace, installation, afterMs }),
    finishAttempts: (finished) => finishAttempts(driver, finished),
    laneCounts: async () => (await driver.read('laneCounts', undefined)).map(toLane),
    noteLooks: (looks) => driver.write('noteLooks', looks),
    schedules: async () => (await driver.read('schedules', undefined)).map(toSchedule),
    fireSchedule: async (input) => {
      const fired = await driver.write('fireSchedule', input)
      if (fired === false) return false
      return fired.created && input.delivery !== null ? newDelivery(input, input.delivery) : null
    },
  }
}

async function finishAttempts(
  driver: Driver,
  finished: readonly FinishedAttempt[],
): ReturnType<Store['finishAttempts']> {
  const deliveries: Delivery[] = []
  const events: LogEvent[] = []
  const refused: string[] = []
  if (finished.length === 0) return { deliveries, events, refused }
  const inputs = finished.map(toFinished)
  const results = await driver.write('finishAttempts', inputs)
  for (const [i, result] of results.entries()) {
    const input = inputs[i] as Finished
    if (result === null) {
      refused.push(input.deliveryId)
      continue
    }
    const written = effectsOf({ ...input, at: input.endedAt }, input.effects, result)
    deliveries.push(...written.deliveries)
    events.push(...written.events)
    if (result.death !== null) events.push(logged(result.death, { workspace: input.workspace, seq: result.death.seq }))
  }
  return { deliveries, events, refused }
}

function toFinished(finished: FinishedAttempt): Finished {
  const { exchanges, logs, ...attempt } = finished.attempt
  return {
    ...finished,
    attempt,
    exchanges: JSON.stringify(exchanges),
    logs: JSON.stringify(logs),
    endedAt: rfc3339(Date.parse(attempt.at) + attempt.durationMs),
  }
}

function runVerbs(
  driver: Driver,
  { limits: { runsKeptPerInstallation: keptMax } }: OverDriverOptions,
): Part<'appendRuns' | 'listRuns' | 'getRun'> {
  return {
    appendRuns: async ({ runs, more }) => {
      if (runs.length + more.length === 0) return
      const entries = runs.map((run) => ({ row: runRow(run), items: run.items }))
      await driver.write('appendRuns', { runs: entries, more, keptMax })
    },
    listRuns: async (workspace, query) => mappedPage(await driver.read('listRuns', { workspace, query }), toRun),
    getRun: async (workspace, id) => mapped(await driver.read('getRun', { workspace, id }), toRun),
  }
}

function keyVerbs(driver: Driver): Part<keyof KeyStore> {
  return {
    createKey: (key) => driver.write('createKey', key),
    openSession: async (input) => mapped(await driver.write('openSession', input), toKey),
    followLink: async (input) => mapped(await driver.write('followLink', input), toKey),
    keyByHash: async (hash) => mapped(await driver.read('keyByHash', hash), toKey),
    listKeys: async (workspace) => (await driver.read('listKeys', workspace)).map(toKey),
    revokeKey: (workspace, id, at) => driver.write('revokeKey', { workspace, id, at }),
    touchKeys: async (used) => {
      if (used.length > 0) await driver.write('touchKeys', used)
    },
  }
}

/** What the effects became: only what was new and not about a deleted response. */
function effectsOf(
  owner: EffectOwner,
  effects: Effects,
  written: EffectsWritten,
): { deliveries: Delivery[]; events: LogEvent[] } {
  const fresh = new Set(written.deliveryIds)
  const appended = new Set(written.eventIds)
  const from = written.lastSeq - written.eventIds.length + 1
  return {
    deliveries: [
      ...effects.deliveries.filter(({ id }) => fresh.has(id)).map((delivery) => newDelivery(owner, delivery)),
      ...written.reopened.map(toDelivery),
    ],
    events: [
      ...written.deaths.map((death) => logged(death, { workspace: owner.workspace, seq: death.seq })),
      ...effects.events
        .filter(({ id }) => appended.has(id))
        .map((event, i) => logged(event, { workspace: owner.workspace, seq: from + i })),
    ],
  }
}

const logged = (event: NewEvent, place: { readonly workspace: string; readonly seq: number }): LogEvent => ({
  seq: place.seq,
  id: event.id,
  workspace: place.workspace,
  type: event.type,
  at: event.at,
  formId: event.formId,
  responseId: event.responseId,
  hops: event.hops,
  data: event.data,
  meta: '{}',
  response: null,
})

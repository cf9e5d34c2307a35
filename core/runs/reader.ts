/**
 * The history of runs for whoever reads it. What a run was given is looked up then: the history holds ids only. The event
 * is shown as the installation may see it, with today's configuration: the same parts, and without the private fields it
 * has no grant for.
 */
import type { Json } from '../contract/index.ts'
import { prepare, prepareHandler } from '../delivery/prepare-run.ts'
import type { PrepareDeps } from '../delivery/prepare-run.ts'
import { HubError } from '../errors.ts'
import type { Delivery, RunRecord } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { withheldKeys } from '../routing/event-json.ts'
import { handlerType } from '../routing/match.ts'
import type { RunInput } from '../sandbox/sandbox.ts'
import type { Store } from '../storage/store.ts'
import type { RunHistory, Watch } from './history.ts'

export interface RunReaderDeps extends Omit<PrepareDeps, 'store'> {
  readonly runs: Pick<RunHistory, 'written'>
  readonly store: Pick<Store, 'getEvent' | 'getDelivery'>
  readonly roster: { find(key: string): { readonly installation: Installation } | undefined }
}

/** The input as the plugin's function got it, or why it cannot be shown. */
export type ShownInput =
  | {
      readonly input: Json
      /** Keys of answers that it leaves out: fields marked `pii` that the installation has no grant for. */
      readonly withheld: readonly string[]
    }
  | { readonly missing: string }

/** What is more than rows of the store. */
export interface RunReader {
  /** Resolves when what this process has run so far can be read. */
  written(): Promise<void>
  inputOf(run: RunRecord): Promise<ShownInput>
}

/** Reads with the configuration as it is at the time of each call. */
export const openRunReader = (deps: RunReaderDeps): RunReader => ({
  written: () => deps.runs.written(),
  inputOf: (run) => shownInput(deps, run),
})

async function shownInput(deps: RunReaderDeps, run: RunRecord): Promise<ShownInput> {
  if (run.kind === 'route') return { missing: 'The request of a route is not kept.' }
  if (run.kind === 'transform')
    return { missing: 'A response is not kept as a transform got it, only as it was stored or put into quarantine.' }
  const found = deps.roster.find(`${run.workspace}/${run.installation}`)
  if (found === undefined) return { missing: `There is no installation "${run.installation}" any more.` }
  try {
    const input = jsonOf(await inputOf(deps, run, found.installation))
    return { input, withheld: await withheldFrom(deps, run) }
  } catch (error) {
    if (!(error instanceof HubError)) throw error
    return { missing: error.message }
  }
}

async function inputOf(deps: RunReaderDeps, run: RunRecord, installation: Installation): Promise<RunInput> {
  const { workspace, items, id: runId } = run
  const [first] = items
  if (run.kind === 'handler' && first !== undefined) {
    const { input } = await prepareHandler(deps, installation, { ...first, id: runId, workspace })
    return theirs(input)
  }
  const deliveries: Delivery[] = []
  for (const { deliveryId } of items) {
    const delivery = deliveryId === null ? undefined : await deps.store.getDelivery(workspace, deliveryId)
    if (delivery !== undefined) deliveries.push({ ...delivery, attempts: run.attempt - 1 })
  }
  if (deliveries.length === 0) throw new HubError('not_found', 'Its deliveries are gone.')
  // Whether the first attempt was a repeat is not kept, nor since when; that later ones were is what they are told in all
  // but rare cases.
  const startedMs = Date.parse(run.startedAt)
  const repeats = new Map(run.attempt > 1 ? deliveries.map(({ id }) => [id, startedMs] as const) : [])
  const { input } = await prepare(deps, { installation, deliveries, runId, repeats, isLook: true })
  return theirs(input)
}

/** For whoever watches the log of runs as they end. */
export const openWatch = (
  store: Pick<Store, 'getEvent'>,
  formViews: { readonly of: RunReaderDeps['formOf'] },
  roster: () => RunReaderDeps['roster'],
): Watch => ({ withheldFrom: (run) => withheldFrom({ store, formOf: formViews.of, roster: roster() }, run) })

/** Keys of answers that the run was not shown: fields marked `pii` that its installation has no grant for. */
async function withheldFrom(
  deps: Pick<RunReaderDeps, 'roster' | 'formOf'> & { readonly store: Pick<Store, 'getEvent'> },
  run: RunRecord,
): Promise<readonly string[]> {
  const installation = deps.roster.find(`${run.workspace}/${run.installation}`)?.installation
  if (installation === undefined) return []
  const { on, actions } = installation.plugin.manifest
  const keys = new Set<string>()
  for (const { eventId } of run.items) {
    const event = eventId === null ? undefined : await deps.store.getEvent(run.workspace, eventId)
    if (event === undefined) continue
    const type = handlerType(on, event.type)
    const parts = run.kind === 'action' ? actions[run.name]?.data : type === undefined ? [] : on[type]?.data
    const view = await deps.formOf(event)
    for (const key of withheldKeys({ event, view, parts: parts ?? [], pii: installation.pii })) keys.add(key)
  }
  return [...keys]
}

/** Today the manifest enqueues without asking the handler. */
function theirs(input: Awaited<ReturnType<typeof prepare>>['input']): RunInput {
  if ('kind' in input) return input
  throw new HubError('not_found', 'The plugin has no such handler any more.')
}

function jsonOf(input: RunInput): Json {
  if (input.kind === 'event') return JSON.parse(input.eventJson) as Json
  if (input.kind === 'action') return input.itemsJson.map((text) => JSON.parse(text) as Json)
  return input.kind === 'schedule' ? input.tick : null
}

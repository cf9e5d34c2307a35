/** What a verdict makes of a response. Pure. */
import type { Json, Verdict } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { CompiledForm } from '../ingest/validate.ts'
import type { ResponseStatus } from '../model.ts'
import { hiddenKeys } from '../routing/event-json.ts'
import type { FormView, PiiGrant } from '../routing/event-json.ts'

type Values = { readonly [key: string]: Json }

/** A response on its way through the chain, as JSON texts. */
export interface Passing {
  readonly data: string
  readonly meta: string
}

/** What a transform was shown of it, and with that what it may change. */
export interface Sight {
  readonly parts: readonly ('data' | 'form' | 'meta')[]
  readonly pii: PiiGrant
  readonly view: FormView | undefined
  readonly compiled: CompiledForm
  readonly status: ResponseStatus
}

/** Ids of installations whose transform failed at a response that was stored all the same. */
export const FAILED_KEY = 'transform_failed'
/** What the connection says about the sender: nobody overwrites it who has not seen it. */
const OF_CONNECTION: readonly string[] = ['ip', 'user_agent', 'referrer']
const PROBLEMS_TOLD_MAX = 3

/** The response with the changes. Throws `plugin_invalid_result` for what the transform may not change or the form does not take. */
export function changed(passing: Passing, verdict: Extract<Verdict, { verdict: 'keep' }>, sight: Sight): Passing {
  const { data, meta } = verdict
  return {
    data: data === undefined ? passing.data : withAnswers(passing.data, data, sight),
    meta: meta === undefined ? passing.meta : withMeta(passing.meta, meta, sight),
  }
}

/** Marks that a transform did not see it. */
export function withFailure(meta: string, installation: string): string {
  const { [FAILED_KEY]: before, ...rest } = JSON.parse(meta) as Values
  return JSON.stringify({ ...rest, [FAILED_KEY]: [...(Array.isArray(before) ? before : []), installation] })
}

/** Takes away what a sender put there: only the hub says who failed. */
export function withoutFailures(meta: string): string {
  if (!meta.includes(FAILED_KEY)) return meta
  const { [FAILED_KEY]: _claimed, ...rest } = JSON.parse(meta) as Values
  return JSON.stringify(rest)
}

function withAnswers(text: string, changes: Values, { parts, pii, view, compiled, status }: Sight): string {
  const keys = Object.keys(changes)
  if (keys.length === 0) return text
  if (!parts.includes('data')) return refuse('it changes answers, which plugin.json does not let it see')
  // Without its form nobody can say which answers are private.
  const hidden = view === undefined && pii !== true ? keys : view === undefined ? [] : hiddenKeys(view, pii)
  const unseen = keys.find((key) => hidden.includes(key))
  if (unseen !== undefined) return refuse(`it changes "${unseen}", a private field that it may not see`)
  const checked = compiled.check(merged(text, changes), { source: 'json', partial: status === 'partial' })
  if (checked.ok) return JSON.stringify(checked.data)
  const told = checked.problems.slice(0, PROBLEMS_TOLD_MAX).map(({ pointer, detail }) => `${pointer} ${detail}`)
  return refuse(`the form does not take what it made of the answers: ${told.join('; ')}`)
}

function withMeta(text: string, changes: Values, { parts }: Sight): string {
  const taken = Object.keys(changes).find(
    (key) => key === FAILED_KEY || (OF_CONNECTION.includes(key) && !parts.includes('meta')),
  )
  if (taken !== undefined) return refuse(`it may not change "${taken}" of meta`)
  return JSON.stringify(merged(text, changes))
}

/** Null takes a key away. */
function merged(text: string, changes: Values): Values {
  const all = Object.create(null) as Record<string, Json>
  for (const [key, value] of [...Object.entries(JSON.parse(text) as Values), ...Object.entries(changes)])
    all[key] = value
  for (const [key, value] of Object.entries(changes)) if (value === null) delete all[key]
  return all
}

function refuse(why: string): never {
  throw new HubError('plugin_invalid_result', why)
}

/** The checks of the conformance suite: each looks at what a plugin did and says what is wrong with it, or nothing. */
import type { SentRequest } from './scripted-http.ts'
import type { RecordedRun } from './recorder.ts'
import type { TestResponse } from './recorded-events.ts'
import type { TestDelivery } from './test-plugin.ts'

/** Sentences; none: it conforms. */
export type Findings = readonly string[]

/** What happened to a plugin in one life. */
export interface Life {
  readonly runs: readonly RecordedRun[]
  readonly deliveries: readonly TestDelivery[]
  /** Messages of capabilities that were refused, also where the plugin caught them. */
  readonly refusals: readonly string[]
}

const BREACHES = new Set(['plugin_wall', 'plugin_cpu', 'plugin_memory', 'plugin_killed'])
const PLACE = /\([^()\s]+:\d+:\d+\)$/
/** Names under which receivers recognise a repeat. */
const IDENTITY = /^(idempotency-key|webhook-id|x-(idempotency|request|message|delivery|event)-(id|key))$/

const called = ({ kind, name }: RecordedRun): string => `${kind} "${name}"`
const once = (findings: Findings): Findings => [...new Set(findings)]

/** Every run ends by itself, within its limits. */
export const settlesInTime = ({ runs }: Life): Findings =>
  once(
    runs.flatMap((run) =>
      run.error !== null && BREACHES.has(run.error.code) ? [`${called(run)}: ${run.error.message}`] : [],
    ),
  )

/** Handlers take the events they ask for: they decide, so there is nothing outside that could be to blame. */
export const handlesItsEvents = ({ runs }: Life): Findings =>
  once(
    runs.flatMap((run) =>
      run.kind === 'event' &&
      run.error !== null &&
      !BREACHES.has(run.error.code) &&
      run.error.code !== 'capability_denied'
        ? [`${called(run)}: ${run.error.message}`]
        : [],
    ),
  )

/** Its transform takes a response in time, and makes of it what the form takes: a failure is the plugin's own. */
export const looksAtResponses = (responses: readonly TestResponse[], { runs }: Life): Findings => {
  const own = runs.filter(({ kind }) => kind === 'transform')
  const failed = own.filter(({ error }) => error !== null)
  return once([
    ...failed.map((run) => `${called(run)}: ${run.error?.message}`),
    // What the run itself did not fail at, the form did not take, or the transform may not change.
    ...(failed.length > 0
      ? []
      : responses.flatMap(({ message, verdict }) =>
          verdict === 'failed' ? [`the transform failed at a response: ${message ?? ''}`] : [],
        )),
  ])
}

/** What the plugin uses stands in its manifest. */
export const declaresWhatItUses = ({ deliveries, refusals, runs }: Life): Findings =>
  once(
    [
      ...refusals,
      ...runs.flatMap(({ error }) => (error?.code === 'capability_denied' ? [error.message] : [])),
      ...deliveries.flatMap(({ errorCode, error }) => (errorCode === 'capability_denied' ? [error ?? ''] : [])),
    ].map(withoutPlace),
  )

const withoutPlace = (message: string): string => message.replace(PLACE, '').trim()

/** No run leaves a timer or a call behind: what it would do is lost, and whether it failed is never told. */
export const leavesNoTimers = ({ runs }: Life): Findings =>
  once(
    runs.flatMap((run) =>
      run.logs.flatMap(({ message, fields }) =>
        fields?.['timers_left'] === undefined && fields?.['calls_left'] === undefined
          ? []
          : [`${called(run)}: ${message}`],
      ),
    ),
  )

/** What the plugin throws says where: an Error, not a text, out of code with a source map. */
export const failsWithItsPlace = ({ runs }: Life): Findings =>
  once(
    runs.flatMap((run) =>
      run.error?.code === 'plugin_threw' && !PLACE.test(run.error.message)
        ? [`${called(run)} failed with "${run.error.message}", which names no file and line; throw an Error.`]
        : [],
    ),
  )

/** The same events again give the same deliveries. */
export function repeatsItsKeys(before: readonly TestDelivery[], after: readonly TestDelivery[]): Findings {
  const known = new Set(before.map(({ id }) => id))
  return after
    .filter(({ id }) => !known.has(id))
    .map(({ name, key }) => {
      const first = before.filter((delivery) => delivery.name === name).map((delivery) => `"${delivery.key}"`)
      return `The same event again enqueued "${name}" a second time, with the key "${key}" (first: ${first.join(', ') || 'not at all'}); make keys of the event, such as { key: event.id }.`
    })
}

/** A request that was sent and not answered goes out again as what it was. */
export function repeatsItsRequests(first: readonly SentRequest[], again: readonly SentRequest[]): Findings {
  return first.flatMap((request) => {
    const same = again.filter(({ method, url }) => method === request.method && url === request.url)
    const line = `${request.method} ${request.url}`
    if (same.length === 0) return [`${line} was not answered, and was not sent again under the same address.`]
    const wanted = identityOf(request)
    const found = same.map(identityOf)
    if (found.some((identity) => identity === wanted)) return []
    return [
      `${line} was sent again as another one: first with ${wanted}, then with ${found.join(' and ')}; use item.delivery.id.`,
    ]
  })
}

const identityOf = ({ headers }: SentRequest): string =>
  Object.entries(headers)
    .filter(([name]) => IDENTITY.test(name))
    .map(([name, value]) => `${name}: ${value}`)
    .toSorted()
    .join(', ') || 'no id'

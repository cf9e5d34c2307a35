/** One transform is asked about some responses: in the sandbox, in time, with what it may see and reads alone. */
import type { Clock } from '../clock.ts'
import type { Verdict } from '../contract/index.ts'
import { asHubError } from '../errors.ts'
import type { OpenCapabilities, OpenedRun } from '../delivery/ports.ts'
import { HubError } from '../errors.ts'
import type { RequestHeaders } from '../ingest/transforms.ts'
import type { CompiledForm } from '../ingest/validate.ts'
import type { LogEvent } from '../model.ts'
import type { Meter } from '../observe/observe.ts'
import type { Installation } from '../registry/installation.ts'
import { partsJson } from '../routing/event-json.ts'
import type { FormView } from '../routing/event-json.ts'
import { NOT_IN_TRANSFORM } from '../sandbox/protocol.ts'
import type { CapabilityHandler, Run, RunResult, Sandbox } from '../sandbox/sandbox.ts'
import type { Aside, Submission } from '../storage/store.ts'
import { submittedEvent } from '../storage/submitted-event.ts'
import type { Passing } from './changes.ts'
import type { Look } from './looks.ts'
import type { Member } from './members.ts'

export interface CrossingDeps {
  readonly sandbox: Pick<Sandbox, 'runBatch'>
  readonly capabilities: OpenCapabilities
  readonly clock: Clock
  readonly meter: Meter
}

const INTERRUPTED_TRIES_MAX = 3

/** One response in the chain. */
export interface Row {
  readonly submission: Submission
  passing: Passing
  aside: Aside | null
  /** Those who could be asked, in order. */
  readonly looks: { readonly look: Look; readonly installation: Installation }[]
}

/** A transform with what is the same for all responses of a request. */
export interface Link {
  readonly member: Member
  readonly compiled: CompiledForm
  readonly headers: RequestHeaders
  readonly view: FormView | undefined
  /** Monotonic. */
  readonly untilMs: number
}

/** What one transform came to for one response. */
export type Ending = { readonly verdict: Verdict } | { readonly error: HubError }

/** A response with the look at it. */
export interface Seen {
  readonly row: Row
  readonly look: Look
}

/** The response as its event will be, if nothing else changes it. */
export const eventOf = (submission: Submission, passing: Passing): LogEvent => ({
  ...submittedEvent(submission, { seq: 0, ...submission }),
  ...passing,
})

/** One ending a row, in order, whatever happens and in time. */
export async function cross(deps: CrossingDeps, link: Link, seen: readonly Seen[]): Promise<readonly Ending[]> {
  const { running } = link.member
  const leftMs = link.untilMs - deps.clock.monotonicMs()
  if (leftMs <= 0) return seen.map(() => ({ error: late('the transforms before it took all the time there was') }))
  const wallMs = running === null ? leftMs : running.installation.limits.transformWallMs * seen.length
  const asking = (async (): Promise<readonly Ending[]> => {
    await link.member.ready()
    if (running === null) throw new HubError('internal', 'What is set aside is never ready.')
    return await ask(deps, { ...link, installation: running.installation }, seen)
  })()
  // What comes too late is dropped: its sender has been answered. Only the history still waits for it.
  const over = asking.then(
    () => undefined,
    () => undefined,
  )
  try {
    return await within(Math.min(leftMs, wallMs), asking)
  } catch (error) {
    const failure = asHubError(error)
    for (const { look } of seen) look.left(over, deps.clock)
    return seen.map(() => ({ error: failure }))
  }
}

const late = (why: string): HubError => new HubError('plugin_wall', why)

async function within<T>(ms: number, working: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late(`the transform was not over after ${Math.round(ms)} ms`)), ms)
  })
  try {
    return await Promise.race([working, over])
  } finally {
    clearTimeout(timer)
  }
}

async function ask(
  deps: CrossingDeps,
  link: Link & { readonly installation: Installation },
  seen: readonly Seen[],
): Promise<readonly Ending[]> {
  const { installation } = link
  const nowMs = deps.clock.nowMs()
  const opened = seen.map((_row, index) =>
    deps.capabilities.open(installation, { deadlineMs: nowMs + installation.limits.transformWallMs * (index + 1) }),
  )
  const runs = seen.map(({ row, look }, index): Run => {
    const { handler, mask } = opened[index] as OpenedRun
    look.opened(mask)
    return {
      id: look.id,
      attempt: 1,
      input: { kind: 'transform', name: link.compiled.form.id, responseJson: incomingJson(link, row) },
      capabilities: readsOnly(handler),
    }
  })
  const results = await runAll(deps.sandbox, installation.key, runs)
  return results.map((result, index) => {
    seen[index]?.look.ran(result)
    for (const { name, by } of result.effects.metric) deps.meter.pluginMetric(installation.id, name, by)
    return endingOf(result, (opened[index] as OpenedRun).mask)
  })
}

/** Who was only near when another run broke its isolate is asked again, while there is time. */
async function runAll(
  sandbox: Pick<Sandbox, 'runBatch'>,
  key: string,
  runs: readonly Run[],
): Promise<readonly RunResult[]> {
  const results = [...(await sandbox.runBatch(key, runs))]
  for (let tries = 1; tries < INTERRUPTED_TRIES_MAX; tries++) {
    const again = results.flatMap(({ error }, index) => (error?.code === 'plugin_interrupted' ? [index] : []))
    if (again.length === 0) break
    const next = await sandbox.runBatch(
      key,
      again.map((index) => runs[index] as Run),
    )
    for (const [place, index] of again.entries()) results[index] = next[place] as RunResult
  }
  return results
}

function endingOf({ error, value }: RunResult, mask: (text: string) => string): Ending {
  // The code stays, what is told and kept is masked.
  if (error !== null) return { error: new HubError(error.code, mask(error.message), { cause: error }) }
  return { verdict: (value ?? { verdict: 'keep' }) as Verdict }
}

/** Reads and signatures; everything else is for later. */
const ALLOWED: ReadonlySet<string> = new Set(['kv.get', 'kv.list', 'responses.get', 'responses.list', 'hmac'])

const readsOnly =
  (handler: CapabilityHandler): CapabilityHandler =>
  async (name, args) => {
    if (!ALLOWED.has(name)) throw new HubError('capability_denied', `ctx.${name} ${NOT_IN_TRANSFORM}`)
    return handler(name, args)
  }

/** The text of an IncomingResponse. */
function incomingJson(
  { member, headers, view, installation }: Link & { installation: Installation },
  row: Row,
): string {
  const { transform } = member
  const event = eventOf(row.submission, row.passing)
  const shown: Record<string, string> = {}
  for (const name of transform.headers) {
    const value = headers[name]
    if (value !== undefined) shown[name] = typeof value === 'string' ? value : value.join(', ')
  }
  const parts = partsJson({ event, view, parts: transform.data, pii: installation.pii })
  const head = JSON.stringify({ status: row.submission.status, at: row.submission.at, headers: shown })
  return `${head.slice(0, -1)}${parts}}`
}

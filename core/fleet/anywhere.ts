/**
 * What only the process that runs an installation can do, asked of whichever process was asked: done here where it runs
 * here, else over the door of the one that runs it. The door speaks JSON, opens to a key that only the database has, and
 * looks like nothing to everybody else.
 */
import type { Parcel, TakeParcels } from '../accounting/handover.ts'
import { withAllKinds } from '../accounting/usage.ts'
import type { Usage } from '../accounting/usage.ts'
import type { RouteResponse } from '../contract/index.ts'
import type { Control } from '../delivery/control.ts'
import { HubError, isErrorCode } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { WorkspaceId } from '../model.ts'
import type { Checks } from '../registry/checks.ts'
import type { Waiting } from '../registry/route-call.ts'
import type { ArrivedRequest } from '../registry/route-wire.ts'
import type { Fleet, Neighbour } from './fleet.ts'

/** Where every process takes such calls. */
export const DOOR_PATH = '/fleet/call'
export const DOOR_KEY_HEADER = 'x-manifold-door'
/** Longer than the longest run behind it. */
const CALL_MS_MAX = 30_000
/** A route may take a minute, where the file says so. */
const ROUTE_MS_MAX = 65_000
/** Numbers for somebody who looks: a process that is slow to say them is left out. */
const LOOK_MS_MAX = 2_000

type TestSend = Control['testSend']
type ReplayEvents = Control['replayEvents']
type Fire = Control['fire']
type Check = Checks['check']
/** Hosts that are left alone are tried now; answers which. What nobody runs leaves none alone. */
type Probe = (input: { readonly workspace: WorkspaceId; readonly installation: string }) => Promise<readonly string[]>
type PluginRoute = (
  input: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly area: string | null
    readonly requestId: string | null
    readonly seesErrors: boolean
    readonly request: ArrivedRequest
  },
  waiting?: Waiting,
) => Promise<RouteResponse>

/** Of these keys (`workspace/id`), what is known; a process that does not answer leaves its own out. */
export type UsageOf = (input: { readonly keys: readonly string[] }) => Promise<Readonly<Record<string, Usage>>>

/** The calls there are. */
export interface BoundCalls {
  readonly testSend: TestSend
  readonly replayEvents: ReplayEvents
  readonly fire: Fire
  readonly pluginRoute: PluginRoute
  readonly check: Check
  readonly probe: Probe
  readonly usage: UsageOf
  /** What transforms used in processes that do not run their installations. */
  readonly takeParcels: TakeParcels
}

type CallName = keyof BoundCalls
/** Calls about one installation, each with how to tell whose it is. */
type OneName = Exclude<CallName, 'usage' | 'takeParcels'>

const KEY_OF: { readonly [Name in OneName]: (input: Parameters<BoundCalls[Name]>[0]) => string } = {
  testSend: ({ workspace, installation }) => `${workspace}/${installation}`,
  replayEvents: ({ workspace, installation }) => `${workspace}/${installation}`,
  fire: ({ workspace, installation }) => `${workspace}/${installation}`,
  pluginRoute: ({ workspace, installation }) => `${workspace}/${installation}`,
  check: ({ workspace, installation }) => `${workspace}/${installation}`,
  probe: ({ workspace, installation }) => `${workspace}/${installation}`,
}

/** As it goes back through the door. */
export type DoorAnswer =
  | { readonly value: unknown }
  | { readonly error: { readonly code: string; readonly message: string; readonly retryAfterMs: number | null } }

export interface AnywhereDeps {
  readonly fleet: Pick<Fleet, 'holds' | 'elsewhere' | 'orphans'>
  /** Is there such an installation at all? */
  readonly known: (key: string) => boolean
  readonly here: BoundCalls
}

/** The same calls, for every process. */
export function openAnywhere({ fleet, known, here }: AnywhereDeps): BoundCalls {
  const where = async <Name extends OneName>(name: Name, input: Parameters<BoundCalls[Name]>[0]) => {
    const key = KEY_OF[name](input)
    // What is not there is refused in the same words wherever it is asked for.
    if (fleet.holds(key) || !known(key)) return null
    const neighbour = await fleet.elsewhere(key)
    if (neighbour !== null) return neighbour
    throw new HubError(
      'unavailable',
      `No worker runs "${key.split('/').at(-1)}" at the moment; try again in some seconds.`,
    )
  }
  return {
    testSend: async (input) => {
      const neighbour = await where('testSend', input)
      return neighbour === null
        ? here.testSend(input)
        : ((await ask(neighbour, 'testSend', input)) as ReturnType<TestSend>)
    },
    replayEvents: async (input) => {
      const neighbour = await where('replayEvents', input)
      return neighbour === null
        ? here.replayEvents(input)
        : ((await ask(neighbour, 'replayEvents', input)) as ReturnType<ReplayEvents>)
    },
    fire: async (input) => {
      const neighbour = await where('fire', input)
      return neighbour === null ? here.fire(input) : ((await ask(neighbour, 'fire', input)) as ReturnType<Fire>)
    },
    pluginRoute: async (input, waiting = {}) => {
      const neighbour = await where('pluginRoute', input)
      return neighbour === null
        ? here.pluginRoute(input, waiting)
        : ((await ask(neighbour, 'pluginRoute', input, {
            ...waiting,
            waitMs: ROUTE_MS_MAX,
          })) as ReturnType<PluginRoute>)
    },
    check: async (input) => {
      const neighbour = await where('check', input)
      return neighbour === null ? here.check(input) : ((await ask(neighbour, 'check', input)) as ReturnType<Check>)
    },
    probe: async (input) => {
      const key = KEY_OF.probe(input)
      if (fleet.holds(key)) return here.probe(input)
      const hosts = (await byOwner(fleet, [key])).map(({ neighbour }) => askProbe(neighbour, input))
      return (await Promise.all(hosts)).flat()
    },
    usage: async ({ keys }) => {
      const far = await byOwner(
        fleet,
        keys.filter((key) => !fleet.holds(key)),
      )
      const answers = await Promise.all([
        here.usage({ keys: keys.filter((key) => fleet.holds(key)) }),
        ...far.map(({ neighbour, keys: theirs }) => askUsage(neighbour, theirs)),
      ])
      return Object.assign({}, ...answers) as Awaited<ReturnType<UsageOf>>
    },
    takeParcels: async ({ parcels }) => {
      const far = await byOwner(
        fleet,
        parcels.map(({ key }) => key).filter((key) => !fleet.holds(key)),
      )
      const of = (keys: readonly string[]): readonly Parcel[] => parcels.filter(({ key }) => keys.includes(key))
      const answers = await Promise.all([
        here.takeParcels({ parcels: parcels.filter(({ key }) => fleet.holds(key)) }),
        ...far.map(({ neighbour, keys }) => handTo(neighbour, of(keys))),
      ])
      return answers.flat()
    },
  }
}

interface Owned {
  readonly neighbour: Neighbour
  readonly keys: string[]
}

/** One question a process, however many it runs. */
async function byOwner(fleet: AnywhereDeps['fleet'], keys: readonly string[]): Promise<readonly Owned[]> {
  const orphans = new Set(fleet.orphans())
  const owners = new Map<string, Owned>()
  for (const key of keys) {
    const neighbour = orphans.has(key) ? null : await fleet.elsewhere(key)
    if (neighbour === null) continue
    const owned = owners.get(neighbour.url)
    if (owned === undefined) owners.set(neighbour.url, { neighbour, keys: [key] })
    else owned.keys.push(key)
  }
  return [...owners.values()]
}

const askUsage = (neighbour: Neighbour, keys: readonly string[]): ReturnType<UsageOf> =>
  ask(neighbour, 'usage', { keys }, { waitMs: LOOK_MS_MAX }).then(
    (usage) =>
      Object.fromEntries(
        Object.entries(usage as Awaited<ReturnType<UsageOf>>).map(([key, used]) => [key, withAllKinds(used)]),
      ),
    () => ({}),
  )

/** Whoever takes over what a dead process ran knows of no host that it should leave alone. */
const askProbe = (neighbour: Neighbour, input: Parameters<Probe>[0]): ReturnType<Probe> =>
  ask(neighbour, 'probe', input, { waitMs: LOOK_MS_MAX }).then(
    (hosts) => hosts as Awaited<ReturnType<Probe>>,
    () => [],
  )

/** What was not answered is handed over again. */
const handTo = (neighbour: Neighbour, parcels: readonly Parcel[]): ReturnType<TakeParcels> =>
  ask(neighbour, 'takeParcels', { parcels }, { waitMs: LOOK_MS_MAX }).then(
    (taken) => taken as Awaited<ReturnType<TakeParcels>>,
    () => [],
  )

interface Asked extends Waiting {
  readonly waitMs?: number
}

async function ask(
  { url, key }: Neighbour,
  ...[name, input, { waitMs = CALL_MS_MAX, gone } = {}]: [name: CallName, input: unknown, waiting?: Asked]
): Promise<unknown> {
  let answer: DoorAnswer
  try {
    const response = await fetch(new URL(DOOR_PATH, url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', [DOOR_KEY_HEADER]: key },
      body: JSON.stringify({ name, input }),
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(waitMs), ...(gone === undefined ? [] : [gone])]),
    })
    answer = (await response.json()) as DoorAnswer
  } catch (error) {
    throw new HubError('unavailable', 'The worker that runs this does not answer; try again in some seconds.', {
      cause: error,
    })
  }
  if ('value' in answer) return answer.value
  const { code, message, retryAfterMs } = answer.error ?? {}
  const known: ErrorCode = isErrorCode(code) ? code : 'unavailable'
  throw new HubError(
    known,
    message ?? 'The worker that runs this refused.',
    retryAfterMs === null ? {} : { retryAfterMs },
  )
}

const isOneName = (name: unknown): name is OneName => typeof name === 'string' && Object.hasOwn(KEY_OF, name)

/** The other side of the door: does what it is asked when the installation runs here. */
export async function answerCall(
  deps: { readonly fleet: Pick<Fleet, 'holds'>; readonly here: BoundCalls },
  call: { readonly name: unknown; readonly input: unknown },
  waiting: Waiting = {},
): Promise<DoorAnswer> {
  try {
    const { name } = call
    if (name === 'usage' || name === 'takeParcels') return { value: await deps.here[name](call.input as never) }
    if (!isOneName(name)) throw new HubError('not_found', 'There is no such call.')
    if (!deps.fleet.holds(KEY_OF[name](call.input as never)))
      throw new HubError('unavailable', 'The installation has moved to another process; try again.')
    return { value: await deps.here[name](call.input as never, waiting) }
  } catch (error) {
    const { code, message, retryAfterMs } =
      error instanceof HubError
        ? error
        : new HubError('internal', 'The worker that runs this failed.', { cause: error })
    return { error: { code, message, retryAfterMs: retryAfterMs ?? null } }
  }
}

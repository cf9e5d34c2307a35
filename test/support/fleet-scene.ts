/** The usual scene of the fleet's fault tests: processes on one Postgres, a receiver, a client before the balancer, a ledger. */
import { openDriver } from './driver.ts'
import type { Driver, DriverOptions } from './driver.ts'
import { startFleet } from './fleet.ts'
import type { Fleet, FleetOptions } from './fleet.ts'
import { openLedger } from './ledger.ts'
import type { Account, Ledger } from './ledger.ts'
import { startReceiver } from './receiver.ts'
import type { Received, Receiver, Reply } from './receiver.ts'
import { DECK, hook, idsByKey, sceneConfig } from './scene.ts'
import { tempDir } from './temp.ts'
import { until } from './wait.ts'

export interface FleetSceneOptions extends Omit<FleetOptions, 'config'> {
  /** Installations of webhooks, all of which get every submission; default one, called `honest`. */
  readonly hooks?: readonly string[]
  /** More parts of each, such as `retry` or `concurrency`. */
  readonly honest?: object
  readonly beside?: readonly object[]
  readonly limits?: Readonly<Record<string, number>>
  readonly pluginDirs?: readonly string[]
  readonly reply?: (request: Received) => Reply | Promise<Reply>
  readonly driver?: Partial<Pick<DriverOptions, 'perSecond' | 'prefix' | 'timeoutMs' | 'url'>>
}

export interface FleetScene extends AsyncDisposable {
  readonly fleet: Fleet
  readonly receiver: Receiver
  readonly ledger: Ledger
  readonly driver: Driver
  /** Waits until everything stored is delivered to all hooks, by the rows of the database. */
  settled(timeoutMs?: number): Promise<void>
  /** What was stored, read from the database, against what the ledger says. */
  account(): Promise<Account>
}

/** The installation that the receiver counts for the ledger, where there are several. */
const FIRST = 'honest'

/** `await using scene = await openFleetScene()`: everything is up and connected, nothing has been sent. */
export async function openFleetScene(options: FleetSceneOptions = {}): Promise<FleetScene> {
  const {
    hooks = [FIRST],
    honest = {},
    beside = [],
    limits = {},
    pluginDirs = [],
    reply = () => ({}),
    driver,
    ...rest
  } = options
  const stack = new AsyncDisposableStack()
  try {
    const dir = stack.use(await tempDir('fleet'))
    const ledger = stack.use(openLedger(dir.file('ledger')))
    const receiver = stack.use(
      await startReceiver((request) => {
        if (request.path === `/${hooks[0]}`) ledger.received(request.json<{ key: string }>().key)
        return reply(request)
      }),
    )
    const installations = hooks.map((id) => hook(id, `${receiver.url}/${id}`, honest))
    const config = sceneConfig({ installations: [...installations, ...beside], limits, pluginDirs })
    const fleet = stack.use(await startFleet({ ...rest, config }))
    const client = stack.use(
      openDriver({ url: fleet.balancer, adminKey: fleet.adminKey, ledger, form: DECK, ...driver }),
    )
    return {
      fleet,
      receiver,
      ledger,
      driver: client,
      settled: (timeoutMs) => fleetSettled(fleet, hooks.length, timeoutMs),
      account: async () => ledger.account(await storedInDatabase(fleet)),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** Every submission of the log has a delivery for each of so many installations, and all of them ended. */
export async function fleetSettled(fleet: Fleet, perEvent: number, timeoutMs = 30_000): Promise<void> {
  await until(
    'the fleet to have nothing left to do',
    async () => {
      const [row] = await fleet.sql<{ events: number; made: number; open: number }>(
        `SELECT (SELECT count(*) FROM events WHERE type = 'response.submitted')::int AS events,
          (SELECT count(*) FROM deliveries WHERE event_seq IS NOT NULL)::int AS made,
          (SELECT count(*) FROM deliveries WHERE finished_at IS NULL)::int AS open`,
      )
      return row
    },
    {
      timeoutMs,
      everyMs: 100,
      accept: (row) => row !== undefined && row.open === 0 && row.made >= row.events * perEvent,
    },
  )
}

async function storedInDatabase(fleet: Fleet): Promise<readonly string[]> {
  const rows = await fleet.sql<{ key: string }>(
    "SELECT data::json ->> 'key' AS key FROM responses WHERE form_id = $1",
    [DECK],
  )
  return rows.map(({ key }) => key)
}

/** Requests at the receiver beyond the first of each delivery. */
export const repeatsOf = (receiver: Receiver): number =>
  receiver.requests.length - new Set(receiver.requests.map(({ id, path }) => `${path} ${id}`)).size

/** Submissions that reached one hook under more than one webhook-id: the promise of a stable id, broken. */
export const changedIds = (receiver: Receiver): readonly string[] =>
  [...idsByKey(receiver)].filter(([, ids]) => ids.size > 1).map(([key]) => key)

/** What stands wrong in the log as it lies in the database: nothing may. */
export async function brokenLog(fleet: Fleet): Promise<readonly string[]> {
  const [row] = await fleet.sql<{ events: number; first: number; last: number; head: number; responses: number }>(
    `SELECT count(*)::int AS events, min(e.seq)::int AS first, max(e.seq)::int AS last,
      (SELECT seq FROM log_head)::int AS head, (SELECT responses FROM log_head)::int AS responses FROM events e`,
  )
  if (row === undefined) return ['the log cannot be read']
  const { events, first, last, head } = row
  const [stored] = await fleet.sql<{ count: number }>('SELECT count(*)::int AS count FROM responses')
  return [
    ...(events === last && first === 1 ? [] : [`${events} events from ${first} to ${last}`]),
    ...(last === head ? [] : [`the head says ${head}, the last event is ${last}`]),
    ...(stored?.count === row.responses ? [] : [`${stored?.count} responses, the head counts ${row.responses}`]),
  ]
}

/** Deliveries whose attempts do not count up one by one, or whose log holds more than one success. */
export async function brokenAttempts(fleet: Fleet): Promise<readonly string[]> {
  const rows = await fleet.sql<{ id: string }>(
    `SELECT d.id FROM deliveries d LEFT JOIN attempts a ON a.workspace = d.workspace AND a.delivery_id = d.id
      GROUP BY d.workspace, d.id, d.attempts
      HAVING count(a.n) <> d.attempts OR coalesce(max(a.n), 0) <> d.attempts
        OR count(*) FILTER (WHERE a.outcome = 'delivered') > 1`,
  )
  return rows.map(({ id }) => id)
}

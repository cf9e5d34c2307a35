/**
 * A hub of several processes on one Postgres, each a real child with a folder of its own, and a balancer before the ones
 * that take requests. Rooms of the hub are never asked what is stored: that is read from the database itself.
 */
import { Pool } from 'pg'
import { startHub } from './hub.ts'
import type { Hub, HubOptions } from './hub.ts'
import { freshDatabase } from './services.ts'
import { sleep } from './wait.ts'

export type Role = 'all' | 'api' | 'worker'

export interface FleetOptions extends Omit<HubOptions, 'args' | 'port'> {
  /** How many take requests; default 2. */
  readonly apis?: number
  /** How many run installations; default 3. */
  readonly workers?: number
  /** How many do both; default none. */
  readonly both?: number
  /** An existing database, kept; default a fresh one. Processes may reach it under another address than the tests do. */
  readonly database?: { readonly url: string; readonly hubUrl?: string }
}

export interface Fleet extends AsyncDisposable {
  readonly databaseUrl: string
  readonly adminKey: string
  readonly apis: readonly Hub[]
  readonly workers: readonly Hub[]
  /** For the driver: the processes that say they are ready, in turn. */
  readonly balancer: () => string
  /** Rows of the database, asked beside the hub. */
  sql<Row>(text: string, params?: readonly unknown[]): Promise<readonly Row[]>
  add(role: Role, changes?: Partial<HubOptions>): Promise<Hub>
  /** From now on no part of the fleet; still running ones are ended when the fleet is disposed. */
  forget(hub: Hub): void
  /** kill -9, and no part of the fleet any more. */
  kill(hub: Hub): Promise<void>
  /** Starts one like it, then ends it in order, as a rolling update does. */
  replace(hub: Hub): Promise<Hub>
  /** Which process runs what: `workspace/id` → process id in the database. */
  owners(): Promise<ReadonlyMap<string, string>>
}

const LOOK_MS = 100
const LOOK_TIMEOUT_MS = 1_000

/** `await using fleet = await startFleet({ config })`: all processes serve. */
export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const { apis = 2, workers = 3, both = 0, database, ...hubOptions } = options
  const stack = new AsyncDisposableStack()
  try {
    const url = database?.url ?? stack.use(await freshDatabase()).url
    const pool = new Pool({ connectionString: url, max: 2, application_name: 'manifold test' })
    // A server that a test ends ends these as well.
    pool.on('error', () => {})
    stack.defer(() => pool.end())
    const fleet = new ProcessFleet(pool, { url, hubUrl: database?.hubUrl ?? url, hubOptions })
    stack.use(fleet)
    await Promise.all([
      ...Array.from({ length: apis }, () => fleet.add('api')),
      ...Array.from({ length: workers }, () => fleet.add('worker')),
      ...Array.from({ length: both }, () => fleet.add('all')),
    ])
    fleet.lookAround()
    const { sql, balancer } = fleet
    return {
      databaseUrl: url,
      get adminKey() {
        return fleet.adminKey
      },
      get apis() {
        return fleet.withRole('api', 'all')
      },
      get workers() {
        return fleet.withRole('worker', 'all')
      },
      sql,
      balancer,
      add: (role, changes) => fleet.add(role, changes),
      forget: (hub) => fleet.forget(hub),
      kill: (hub) => fleet.kill(hub),
      replace: (hub) => fleet.replace(hub),
      owners: () => fleet.owners(),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

interface Member {
  readonly hub: Hub
  readonly role: Role
  ready: boolean
}

class ProcessFleet implements AsyncDisposable {
  readonly #pool: Pool
  readonly #how: { readonly url: string; readonly hubUrl: string; readonly hubOptions: HubOptions }
  readonly #members = new Set<Member>()
  /** Whatever was ever started, for the end. */
  readonly #started: Hub[] = []
  #turn = 0
  #stopped = false
  #looking: Promise<unknown> = Promise.resolve()

  constructor(pool: Pool, how: { readonly url: string; readonly hubUrl: string; readonly hubOptions: HubOptions }) {
    this.#pool = pool
    this.#how = how
  }

  get adminKey(): string {
    return this.#started[0]?.adminKey ?? ''
  }

  readonly sql = async <Row>(text: string, params: readonly unknown[] = []): Promise<readonly Row[]> =>
    (await this.#pool.query(text, [...params])).rows as Row[]

  readonly balancer = (): string => {
    const doors = [...this.#members].filter(({ role }) => role !== 'worker')
    const ready = doors.filter((member) => member.ready)
    // Like a balancer that knows no healthy one: it tries them all.
    const choice = ready.length > 0 ? ready : doors
    const chosen = choice[this.#turn++ % Math.max(1, choice.length)]
    if (chosen === undefined) throw new Error('The fleet has no process that takes requests')
    return chosen.hub.url
  }

  withRole(...roles: readonly Role[]): readonly Hub[] {
    return [...this.#members].filter(({ role }) => roles.includes(role)).map(({ hub }) => hub)
  }

  async add(role: Role, changes: Partial<HubOptions> = {}): Promise<Hub> {
    const { hubOptions, hubUrl } = this.#how
    const hub = await startHub({
      ...hubOptions,
      ...changes,
      env: { DATABASE_URL: hubUrl, ...hubOptions.env, ...changes.env },
      args: ['--role', role, ...(changes.args ?? [])],
    })
    this.#started.push(hub)
    this.#members.add({ hub, role, ready: true })
    return hub
  }

  forget(hub: Hub): void {
    for (const member of this.#members) if (member.hub === hub) this.#members.delete(member)
  }

  async kill(hub: Hub): Promise<void> {
    this.forget(hub)
    await hub.kill('SIGKILL')
  }

  async replace(hub: Hub): Promise<Hub> {
    const member = [...this.#members].find((each) => each.hub === hub)
    if (member === undefined) throw new Error('That process is no part of the fleet')
    const next = await this.add(member.role)
    const exit = await hub.kill('SIGTERM')
    this.forget(hub)
    if (exit.code !== 0) throw new Error(`A process ended with ${exit.signal ?? exit.code} on SIGTERM:\n${hub.stderr}`)
    return next
  }

  async owners(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.sql<{ key: string; owner: string }>(
      "SELECT workspace || '/' || installation AS key, owner FROM leases WHERE owner IN (SELECT id FROM hub_processes)",
    )
    return new Map(rows.map(({ key, owner }) => [key, owner]))
  }

  /** Asks every door how it is, again and again. */
  lookAround(): void {
    const look = async (): Promise<void> => {
      while (!this.#stopped) {
        await Promise.all([...this.#members].filter(({ role }) => role !== 'worker').map(lookAt))
        await sleep(LOOK_MS)
      }
    }
    this.#looking = look()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    await this.#looking
    // What was stopped by a test cannot end in order, and what is left of them would wait for the others.
    for (const hub of this.#started) hub.signal('SIGCONT')
    await Promise.all(this.#started.map((hub) => hub[Symbol.asyncDispose]()))
  }
}

async function lookAt(member: Member): Promise<void> {
  member.ready = await member.hub.api('GET', '/readyz', undefined, { timeoutMs: LOOK_TIMEOUT_MS, key: null }).then(
    ({ status }) => status === 200,
    () => false,
  )
}

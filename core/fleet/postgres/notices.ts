/** News between processes over LISTEN and NOTIFY: sent by the transaction that makes them true, heard at once. */
import { Client } from 'pg'
import type { LaneKind } from '../../queue/queue.ts'
import type { Logger } from '../../observe/observe.ts'
import { poolConfig } from '../../storage/postgres/connect.ts'
import type { Extra, WriteCall } from '../../storage/postgres/group-commit.ts'
import type { LanePace, News } from '../fleet.ts'

const CHANNEL = 'manifold'
/** Postgres takes less than 8,000 bytes. */
const PAYLOAD_CHARS_MAX = 7_000
const RECONNECT_MS = 200
const SILENCE_MS_MAX = 5_000
const RECONNECT_MS_MAX = 2_000

/** What goes over the wire, keys short. */
interface Payload {
  /** Origin. */
  readonly o: string
  readonly f?: readonly (readonly [workspace: string, id: string])[]
  readonly i?: readonly string[]
  readonly c?: readonly string[]
  readonly k?: 1
  readonly l?: readonly (readonly [kind: LaneKind, workspace: string, installation: string])[]
  readonly p?: readonly (readonly [key: string, behind: number, perSecond: number])[]
  /** Who runs what has changed, or somebody has come. */
  readonly w?: 1
  /** Somebody shall give something up. */
  readonly g?: readonly [owner: string, orphan: string, keys: readonly string[]]
  /** There was too much to say. */
  readonly all?: 1
}

/** A process asks that `owner` gives up the `keys` it runs, for what goes together with them and waits as `orphan`. */
export interface Ask {
  readonly owner: string
  readonly orphan: string
  readonly keys: readonly string[]
}

/** As it arrives. */
export interface Notice {
  readonly origin: string
  readonly news: News
  /** The lanes of the origin, when that is what it told. */
  readonly pace: readonly LanePace[] | null
  /** Who runs what has changed. */
  readonly leases: boolean
  readonly ask: Ask | null
}

/** The statement that tells of a transaction's calls; it says nothing when nothing happened that others must know. */
export function noticeOf(me: string, calls: readonly WriteCall[], head: number): Extra {
  const payload = payloadOf(me, calls)
  const must = Object.keys(payload).length > 1 ? 1 : 0
  return {
    sql: `SELECT pg_notify('${CHANNEL}', seq::text || ' ' || ?::text) FROM log_head WHERE only_row = 1 AND (seq > ? OR ? = 1)`,
    params: [textOf(payload), head, must],
  }
}

/** The statement that tells something beside any transaction. */
export const tell = (payload: Payload): Extra => ({
  sql: `SELECT pg_notify('${CHANNEL}', '0 ' || ?::text)`,
  params: [textOf(payload)],
})

function textOf(payload: Payload): string {
  const text = JSON.stringify(payload)
  return text.length <= PAYLOAD_CHARS_MAX ? text : JSON.stringify({ o: payload.o, all: 1 })
}

function payloadOf(me: string, calls: readonly WriteCall[]): Payload {
  const forms: [string, string][] = []
  const states: string[] = []
  const cursors: string[] = []
  let keys = false
  for (const { verb, input } of calls) {
    const { workspace = '', id = '' } = (input ?? {}) as { readonly workspace?: string; readonly id?: string }
    if (verb === 'saveForm' || verb === 'deleteForm') forms.push([workspace, id])
    else if (verb === 'setInstallationState') states.push(`${workspace}/${id}`)
    else if (verb === 'rewindCursor') cursors.push(`${workspace}/${id}`)
    else if (verb === 'revokeKey' || verb === 'createKey') keys = true
  }
  return {
    o: me,
    ...(forms.length > 0 ? { f: forms } : {}),
    ...(states.length > 0 ? { i: states } : {}),
    ...(cursors.length > 0 ? { c: cursors } : {}),
    ...(keys ? { k: 1 } : {}),
  }
}

export const NO_NEWS: News = {
  head: null,
  forms: [],
  installations: [],
  cursors: [],
  keys: false,
  lanes: [],
  missed: false,
}

/** Undefined for what is not ours. */
export function readNotice(text: string): Notice | undefined {
  const at = text.indexOf(' ')
  try {
    const payload = JSON.parse(text.slice(at + 1)) as Payload
    const head = Number(text.slice(0, at))
    return {
      origin: payload.o,
      pace: payload.p?.map(([key, behind, deliveredPerSecond]) => ({ key, behind, deliveredPerSecond })) ?? null,
      leases: payload.w === 1 || payload.all === 1,
      ask: payload.g === undefined ? null : { owner: payload.g[0], orphan: payload.g[1], keys: payload.g[2] },
      news: {
        head: head > 0 ? head : null,
        forms: (payload.f ?? []).map(([workspace, id]) => ({ workspace, id })),
        installations: payload.i ?? [],
        cursors: payload.c ?? [],
        keys: payload.k === 1,
        lanes: (payload.l ?? []).map(([kind, workspace, installation]) => ({ kind, workspace, installation })),
        missed: payload.all === 1,
      },
    }
  } catch {
    return undefined
  }
}

export interface ListenOptions {
  readonly url: string
  readonly logger: Logger
  readonly heard: (notice: Notice) => void
  /** The line was cut and is there again. */
  readonly missed: (news: News) => void
}

/** Listens on a connection of its own, which is made again whenever it breaks. Resolves when it listens. */
export async function listen(options: ListenOptions): Promise<{ stop(): Promise<void> }> {
  let stopped = false
  let client: Client | null = null
  let timer: NodeJS.Timeout | undefined
  const connect = async (): Promise<void> => {
    const name = 'manifold news'
    const { connectionString, keepAlive, connectionTimeoutMillis } = poolConfig({ ...options, connectionsMax: 1, name })
    const next = new Client({
      connectionString,
      keepAlive,
      connectionTimeoutMillis,
      application_name: name,
      query_timeout: SILENCE_MS_MAX,
    })
    next.on('notification', ({ payload = '' }) => {
      const notice = readNotice(payload)
      if (notice !== undefined) options.heard(notice)
    })
    const gone = (): void => {
      if (client !== next) return
      client = null
      again(RECONNECT_MS)
    }
    next.on('error', gone)
    next.on('end', gone)
    try {
      await next.connect()
      await next.query(`LISTEN ${CHANNEL}`)
    } catch (error) {
      next.end().catch(() => {})
      throw error
    }
    if (stopped) return await next.end()
    client = next
    // A peer that vanished sends nothing at all, so nothing but a question tells.
    const pulse = setInterval(() => {
      next.query('SELECT 1').catch(() => {
        clearInterval(pulse)
        gone()
        next.end().catch(() => {})
      })
    }, SILENCE_MS_MAX)
    pulse.unref()
    next.once('end', () => clearInterval(pulse))
  }
  const again = (delayMs: number): void => {
    if (stopped) return
    timer = setTimeout(() => {
      connect().then(
        () => options.missed({ ...NO_NEWS, missed: true }),
        (error: unknown) => {
          options.logger.warn({ error: String(error) }, 'news of other processes cannot be heard; trying again')
          again(Math.min(delayMs * 2, RECONNECT_MS_MAX))
        },
      )
    }, delayMs)
  }
  await connect()
  return {
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await client?.end().catch(() => {})
    },
  }
}

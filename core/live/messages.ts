/**
 * What live connections are told, one message after the other, each with the place in the log from which a new connection goes
 * on. Whoever takes them slowly gets fewer: numbers are told as they are then, not as they were in between.
 */
import type { Clock } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { LogEvent } from '../model.ts'
import type { Principal } from '../registry/api-keys.ts'
import type { Live } from './live.ts'
import type { LiveValues, Subject, Values } from './values.ts'
import { shownTo } from './shown.ts'

export type Message = { readonly type: 'heartbeat' | 'metric_update' | 'alert_triggered' | 'data_refresh' } & Readonly<
  Record<string, unknown>
>

export interface MessageDeps {
  readonly live: Live
  readonly clock: Clock
  readonly limits: Pick<Limits, 'liveHeartbeatMs' | 'liveMetricMs' | 'liveNumberAgeMs'>
}

export interface Listener {
  readonly principal: Principal
  /** Who it is now; null ends it. */
  readonly now: () => Promise<Principal | null>
  readonly afterSeq: number
  readonly signal: AbortSignal
}

export interface Wish extends Pick<Subject, 'area' | 'kind'> {
  /** Those alone; null: all. */
  readonly ids: readonly string[] | null
  /** It was not here before: how things stand comes first. */
  readonly isNew: boolean
}

/** Changes that numbers alone do not tell. */
const REFRESHING: ReadonlySet<string> = new Set(['form.changed', 'form.deleted', 'response.deleted'])

/** Of each `liveMetricMs`, at which connections look. */
const MOMENTS = 10

/** `metric_update` and `data_refresh`, each subject at most once in `liveMetricMs`. */
export async function* metricMessages(
  { live, clock, limits, values }: MessageDeps & { readonly values: LiveValues },
  listener: Listener,
  wish: Wish,
): AsyncGenerator<Message, void, void> {
  const { workspace } = listener.principal
  /** Changed and not told yet; true: what was shown of it has to be read anew. */
  const waiting = new Map<string, boolean>(wish.isNew ? wish.ids?.map((id) => [id, false] as const) : [])
  const subjects = new Subjects(values, workspace, wish)
  let settledSeq = listener.afterSeq
  let nextMs = clock.monotonicMs()
  let saidMs = nextMs
  let agedMs = nextMs + limits.liveNumberAgeMs
  const quietMs = (): number => {
    const untilMs = waiting.size === 0 ? saidMs + limits.liveHeartbeatMs : nextMs
    return untilMs - clock.monotonicMs()
  }
  yield { type: 'heartbeat', seq: settledSeq }
  const feed = live.feed.follow({ workspace, afterSeq: settledSeq, quietMs, signal: listener.signal })
  for await (const { events, seq } of feed) {
    if ((await listener.now()) === null) return
    for (const event of events) {
      const id = subjectOf(wish, event)
      if (id !== null) waiting.set(id, waiting.get(id) === true || REFRESHING.has(event.type))
    }
    if (clock.monotonicMs() >= agedMs) {
      // Time alone changes some, such as at midnight; what is as it was told is not told again.
      for (const id of subjects.followed) waiting.set(id, waiting.get(id) === true)
      agedMs = clock.monotonicMs() + limits.liveNumberAgeMs
    }
    if (waiting.size > 0 && clock.monotonicMs() < nextMs) continue
    const messages: Message[] = []
    for (const [id, isStale] of waiting) {
      const found = await subjects.look(id, seq, isStale)
      if (found.isSettled) waiting.delete(id)
      messages.push(...found.messages)
    }
    const last = messages.length - 1
    for (const [n, message] of messages.entries())
      yield { ...message, seq: n === last && waiting.size === 0 ? seq : settledSeq }
    const nowMs = clock.monotonicMs()
    // Never sooner; and at one of a few moments at which many look, so that one question answers them.
    const stepMs = limits.liveMetricMs / MOMENTS
    nextMs = Math.ceil((nowMs + limits.liveMetricMs) / stepMs) * stepMs
    if (waiting.size === 0) settledSeq = seq
    if (messages.length === 0 && nowMs < saidMs + limits.liveHeartbeatMs) continue
    if (messages.length === 0) yield { type: 'heartbeat', seq: settledSeq }
    saidMs = clock.monotonicMs()
  }
}

interface Look {
  readonly messages: readonly Message[]
  /** Of what somebody asked about a moment ago there may be more to come. */
  readonly isSettled: boolean
}

/** What one connection was told of each subject, and so what is new to it. */
class Subjects {
  readonly #values: LiveValues
  readonly #of: Omit<Subject, 'id'>
  readonly #isNew: boolean
  readonly #told = new Map<string, Values>()
  /** There is something of these, or it is not known yet whether there is. */
  readonly followed: Set<string>

  constructor(values: LiveValues, workspace: Subject['workspace'], { area, kind, ids, isNew }: Wish) {
    this.#values = values
    this.#of = { workspace, area, kind }
    this.#isNew = isNew
    this.followed = new Set(ids ?? [])
  }

  /** What is to be said; `isStale`: what was shown of it has to be read anew. */
  async look(id: string, seq: number, isStale: boolean): Promise<Look> {
    const known = await this.#values.of({ ...this.#of, id }, seq).catch(() => undefined)
    const isSettled = known !== undefined && known.seq >= seq
    // Nobody can say right now, or what they can is from before what was seen here: it is asked again the next time.
    const isBehind = isStale || known?.values === null || (!this.#isNew && !this.#told.has(id))
    if (known === undefined || (!isSettled && isBehind)) return { messages: [], isSettled }
    const found = known.values
    const changed = found === null ? {} : changesOf(this.#told.get(id) ?? {}, found)
    this.#note(id, found)
    const subject = this.#of.kind === 'forms' ? { form_id: id } : { event_id: id }
    const messages = [
      ...(isStale || found === null ? [{ type: 'data_refresh', ...subject } as const] : []),
      ...(Object.keys(changed).length === 0 ? [] : [{ type: 'metric_update', ...subject, metrics: changed } as const]),
    ]
    return { messages, isSettled }
  }

  #note(id: string, found: Values | null): void {
    if (found === null) {
      this.#told.delete(id)
      this.followed.delete(id)
    } else {
      this.#told.set(id, found)
      this.followed.add(id)
    }
  }
}

/** `alert_triggered`: every one behind the place, as far as the key may see it. */
export async function* alertMessages(
  { live, clock, limits }: MessageDeps,
  listener: Listener,
): AsyncGenerator<Message, void, void> {
  const { workspace } = listener.principal
  let saidMs = clock.monotonicMs()
  const quietMs = (): number => saidMs + limits.liveHeartbeatMs - clock.monotonicMs()
  yield { type: 'heartbeat', seq: listener.afterSeq }
  const followed = live.feed.follow({ workspace, afterSeq: listener.afterSeq, quietMs, signal: listener.signal })
  for await (const { events, seq } of followed) {
    const principal = await listener.now()
    if (principal === null) return
    for (const event of events) {
      if (event.type !== 'alert.raised' && event.type !== 'delivery.dead') continue
      const shown = shownTo(principal, event)
      if (shown === null) continue
      const alert = shown.data === null ? null : (JSON.parse(shown.data) as unknown)
      yield { type: 'alert_triggered', id: shown.id, event: shown.type, at: shown.at, alert, seq: shown.seq }
      saidMs = clock.monotonicMs()
    }
    if (quietMs() > 0) continue
    yield { type: 'heartbeat', seq }
    saidMs = clock.monotonicMs()
  }
}

/** Which of the wished-for it is about. */
function subjectOf({ kind, ids }: Wish, event: LogEvent): string | null {
  const id = kind === 'forms' ? formOf(event) : organizersEventOf(event)
  return id === null || ids?.includes(id) === false ? null : id
}

/** What visitors do in a form that the snippet watches changes its completion rate. */
const formOf = ({ type, formId }: LogEvent): string | null =>
  /^(?:response|form)\.|^track\.form_/.test(type) ? formId : null

function organizersEventOf({ type, data }: LogEvent): string | null {
  if (!type.startsWith('track.') || data === null) return null
  const { context } = JSON.parse(data) as { readonly context?: { readonly event?: string } }
  return context?.event ?? null
}

const changesOf = (before: Values, after: Values): Values =>
  Object.fromEntries(Object.entries(after).filter(([name, value]) => before[name] !== value))

/** Turns what a run asked for into what is committed: ids, keys, types and times, and the last look at permissions. */
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { rfc3339 } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { NewDelivery, NewEvent } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { GuestEffects } from '../sandbox/sandbox.ts'
import { unmarkedKey } from '../storage/new-delivery.ts'
import type { Effects } from '../storage/store.ts'

/** What caused the run: its effects inherit from it. */
export interface EffectSource {
  readonly eventSeq: number | null
  readonly eventId: string | null
  readonly formId: string | null
  readonly responseId: string | null
  /** Of the causing event; what the run emits gets one more. */
  readonly hops: number
  /** Default keys are `<keyBase>:<n>`, so that a repeat of the run asks for the same deliveries. */
  readonly keyBase: string
  /** Makes every key new for a delivery that is wanted again although it was made before; usually empty. */
  readonly keySuffix: string
}

export interface EffectsInput {
  readonly installation: Installation
  readonly source: EffectSource
  readonly nowMs: number
  readonly limits: Pick<Limits, 'hopsMax' | 'pluginKvKeyCharsMax' | 'pluginKvValueBytesMax'>
}

export const NO_EFFECTS: Effects = { deliveries: [], kv: [], events: [], tallies: [] }

/** What an event comes to whose manifest entry says `enqueue` instead of naming a handler. */
export const enqueueOnly = (action: string): GuestEffects => ({
  enqueue: [{ action, input: null }],
  kv: [],
  emit: [],
  tally: [],
  metric: [],
})

/** A delay beyond this is a mistake, not a plan. */
const DELAY_MS_MAX = 366 * 86_400_000
/** Longer is for ever; the sum has to stay a whole number that a database takes. */
const TTL_MS_MAX = 100 * 366 * 86_400_000
const KEY_CHARS_MAX = 512
const EMIT_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/

/** Throws `capability_denied`, `capability_limit`, `capability_input` or `hop_limit`: the run has failed then. */
export function toEffects(guest: GuestEffects, input: EffectsInput): Effects {
  const { enqueue, kv, emit, tally } = guest
  if (enqueue.length + kv.length + emit.length + tally.length === 0) return NO_EFFECTS
  const { permissions } = input.installation.plugin.manifest
  if (kv.length > 0 && !permissions.kv) throw denied(input, 'kv', '"kv": true')
  if (emit.length > 0 && !permissions.emit) throw denied(input, 'emit', '"emit": true')
  return {
    deliveries: enqueue.map((wish, n) => toDelivery(wish, n, input)),
    kv: kv.map((write) => toKv(write, input)),
    events: emit.map((wish) => toEvent(wish, input)),
    tallies: tally.filter(({ by }) => Number.isFinite(by)),
  }
}

function denied({ installation }: EffectsInput, what: string, permission: string): HubError {
  const { id } = installation.plugin.manifest
  return new HubError(
    'capability_denied',
    `The plugin "${id}" used ctx.${what}; its manifest's permissions need ${permission}.`,
  )
}

function toDelivery(wish: GuestEffects['enqueue'][number], n: number, input: EffectsInput): NewDelivery {
  const { installation, source, nowMs } = input
  const { manifest } = installation.plugin
  if (!Object.hasOwn(manifest.actions, wish.action)) {
    throw new HubError(
      'capability_denied',
      `The plugin "${manifest.id}" enqueued "${wish.action}", which is no action of its manifest.`,
    )
  }
  const key = `${unmarkedKey(wish.key ?? `${source.keyBase}:${n}`)}${source.keySuffix}`
  // An admin who asks for order gets it for the whole installation when the plugin names no finer key.
  const orderKey = wish.orderBy ?? (installation.order === 'fifo' ? '*' : null)
  if ([key, orderKey ?? '', wish.paceBy ?? ''].some((text) => text.length > KEY_CHARS_MAX)) {
    throw new HubError(
      'capability_limit',
      `The plugin "${manifest.id}" enqueued with a key longer than ${KEY_CHARS_MAX} characters.`,
    )
  }
  return {
    id: newId('delivery', nowMs),
    kind: 'action',
    name: wish.action,
    key,
    eventSeq: source.eventSeq,
    eventId: source.eventId,
    formId: source.formId,
    responseId: source.responseId,
    orderKey,
    ...(wish.paceBy === undefined ? {} : { paceKey: wish.paceBy }),
    input: JSON.stringify(wish.input ?? null),
    dueAtMs: nowMs + clampDelay(wish.delayMs),
  }
}

const clampDelay = (delayMs: number | undefined): number =>
  delayMs === undefined || !(delayMs > 0) ? 0 : Math.min(Math.ceil(delayMs), DELAY_MS_MAX)

function toKv(write: GuestEffects['kv'][number], { installation, nowMs, limits }: EffectsInput): Effects['kv'][number] {
  const { id } = installation.plugin.manifest
  if (write.key === '' || write.key.length > limits.pluginKvKeyCharsMax) {
    throw new HubError(
      'capability_limit',
      `The plugin "${id}" used a kv key that is empty or longer than ${limits.pluginKvKeyCharsMax} characters.`,
    )
  }
  if (write.value === undefined) return { key: write.key, value: undefined, expiresAtMs: null }
  const value = JSON.stringify(write.value satisfies Json)
  if (Buffer.byteLength(value) > limits.pluginKvValueBytesMax) {
    throw new HubError(
      'capability_limit',
      `The plugin "${id}" set a kv value larger than ${limits.pluginKvValueBytesMax} bytes.`,
    )
  }
  const expiresAtMs = write.ttlMs === undefined ? null : Math.ceil(nowMs + Math.min(write.ttlMs, TTL_MS_MAX))
  return { key: write.key, value, expiresAtMs }
}

function toEvent(wish: GuestEffects['emit'][number], { installation, source, nowMs, limits }: EffectsInput): NewEvent {
  const { id } = installation.plugin.manifest
  if (!EMIT_NAME.test(wish.name)) {
    throw new HubError(
      'capability_input',
      `The plugin "${id}" emitted "${wish.name}". Names have lower-case letters, digits, ".", "_" and "-".`,
    )
  }
  if (source.hops >= limits.hopsMax) {
    throw new HubError(
      'hop_limit',
      `The plugin "${id}" emitted "${wish.name}" in answer to an event that ${limits.hopsMax} emissions led to. Plugins answer each other in a circle.`,
    )
  }
  return {
    id: newId('event', nowMs),
    type: `plugin.${id}.${wish.name}`,
    at: rfc3339(nowMs),
    formId: source.formId,
    // Erasing the response erases what plugins said about it, too.
    responseId: source.responseId,
    hops: source.hops + 1,
    data: JSON.stringify(wish.data),
  }
}

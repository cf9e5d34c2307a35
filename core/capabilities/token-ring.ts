/**
 * The access tokens of one installation: one for each request that a plugin makes of `ctx.token`, obtained once for all
 * runs that wait for it, renewed before it ends. They live in memory and as long as the loaded installation, no longer.
 */
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { createMask, type Mask } from './mask.ts'

/** What a token endpoint gave. */
export interface Obtained {
  readonly value: string
  readonly fields: { readonly [name: string]: Json }
  readonly lifetimeMs: number
}

/** A token as a plugin gets it: its name and the rest of the answer. */
export interface Held {
  /** `token.<id>.<n>`. */
  readonly name: string
  readonly fields: { readonly [name: string]: Json }
}

export interface TokenAsk {
  /** Says for which request it is; the same for the same. */
  readonly id: string
  /** The name of the one that was refused. */
  readonly instead: string | undefined
  /** Called before `obtain`; throws when this run may not. */
  readonly goesOut: () => void
  readonly obtain: () => Promise<Obtained>
}

export interface TokenRing {
  /** Rejects with what `obtain` rejects with, unless the one that is there is still good. */
  get(ask: TokenAsk): Promise<Held>
  /** The text of a token by its name: of the newest for the same request. Undefined for names of other things. */
  text(name: string): string | undefined
  /** Takes the installation's secrets, the tokens, and those they came after, out of a text. */
  readonly mask: Mask
}

export interface TokenRingOptions {
  readonly secretsMask: Mask
  readonly tokensMax: number
  readonly nowMs: () => number
}

/** A token is renewed so long before its end, or in the last fifth of a short life. */
const RENEW_BEFORE_MS = 300_000
const RENEW_BEFORE_FRACTION = 0.2
/** When a renewal failed and the old one is still good. */
const RENEW_AGAIN_MS = 30_000
const NAME = /^token\.([\w-]+)\.\d+$/

interface Slot {
  current: (Held & { readonly value: string; readonly endsAtMs: number; renewAtMs: number; isRefused: boolean }) | null
  /** Of the token and of the one before it, which requests under way may still carry. */
  masks: readonly Mask[]
  flight: Promise<Held> | null
  /** Of names; never starts again, or an old name would be that of a new token. */
  count: number
}

/** Opens an empty ring. */
export function createTokenRing(options: TokenRingOptions): TokenRing {
  const { nowMs, secretsMask } = options
  const slots = new Map<string, Slot>()

  function slotOf(id: string): Slot {
    const slot = slots.get(id) ?? { current: null, masks: [], flight: null, count: 0 }
    // Last in the map is used last.
    slots.delete(id)
    slots.set(id, slot)
    for (const [other, { flight }] of slots) {
      if (slots.size <= options.tokensMax) break
      if (flight === null && other !== id) slots.delete(other)
    }
    return slot
  }

  async function obtained(slot: Slot, { id, obtain }: TokenAsk): Promise<Held> {
    const { value, fields, lifetimeMs } = await obtain()
    const startMs = nowMs()
    const beforeMs = Math.min(RENEW_BEFORE_MS, lifetimeMs * RENEW_BEFORE_FRACTION)
    slot.count += 1
    slot.masks = [createMask([value]), ...slot.masks.slice(0, 1)]
    slot.current = {
      name: `token.${id}.${slot.count}`,
      fields,
      value,
      endsAtMs: startMs + lifetimeMs,
      renewAtMs: startMs + lifetimeMs - beforeMs,
      isRefused: false,
    }
    return slot.current
  }

  async function get(ask: TokenAsk): Promise<Held> {
    const slot = slotOf(ask.id)
    const { current } = slot
    if (current !== null && current.name === ask.instead) current.isRefused = true
    if (current !== null && !current.isRefused && nowMs() < current.renewAtMs) return current
    const isOwn = slot.flight === null
    if (isOwn) ask.goesOut()
    slot.flight ??= obtained(slot, ask).finally(() => (slot.flight = null))
    try {
      return await slot.flight
    } catch (error) {
      // Whoever asked may have had less time left than this run.
      if (!isOwn && error instanceof HubError && error.code === 'http_timeout') return await get(ask)
      if (current === null || current.isRefused || nowMs() >= current.endsAtMs) throw error
      current.renewAtMs = nowMs() + RENEW_AGAIN_MS
      return current
    }
  }

  return {
    get,
    text(name) {
      const id = NAME.exec(name)?.[1]
      if (id === undefined) return undefined
      const value = slots.get(id)?.current?.value
      if (value !== undefined) return value
      throw new HubError(
        'capability_input',
        'The hub does not hold this access token any more: ask ctx.token in each run.',
      )
    },
    mask: (text, isCut) => {
      let masked = secretsMask(text, isCut)
      for (const { masks } of slots.values()) for (const mask of masks) masked = mask(masked, isCut)
      return masked
    },
  }
}

/** Waiting for something to become true, with a deadline and with what was last seen in the failure. */
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'

export interface UntilOptions {
  readonly timeoutMs?: number
  readonly everyMs?: number
}

/**
 * Asks `probe` until `accept` takes its answer and returns that answer. A probe that throws is asked again; the last
 * answer or error is told when time is up. Without `accept`, any truthy answer will do.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  options: UntilOptions & { readonly accept?: (value: T) => boolean } = {},
): Promise<T> {
  const { timeoutMs = 15_000, everyMs = 20, accept = Boolean } = options
  const deadlineMs = performance.now() + timeoutMs
  let last: { value?: T; error?: unknown } = {}
  for (;;) {
    try {
      const value = await probe()
      if (accept(value)) return value
      last = { value }
    } catch (error) {
      last = { error }
    }
    if (performance.now() >= deadlineMs) break
    await sleep(everyMs)
  }
  const seen = 'error' in last ? `it threw ${inspect(last.error)}` : `last seen: ${inspect(last.value, { depth: 5 })}`
  throw new Error(`Waited ${timeoutMs} ms in vain for ${what}; ${seen}`)
}

export { sleep }

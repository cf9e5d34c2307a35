/** The life of a delivery as one table. What is not in it cannot happen; `core/model.ts` draws it. */
import type { DeliveryState } from '../model.ts'

/** What can happen to a delivery. `hold`: its breaker is open, the hub interrupted it, or its credential was refused; its schedule stays. */
export const DELIVERY_MOVES = ['deliver', 'retry', 'bury', 'hold', 'replay'] as const
export type DeliveryMove = (typeof DELIVERY_MOVES)[number]

/** null: illegal. A terminal state is left by replay only. */
export const TRANSITIONS = {
  pending: { deliver: 'delivered', retry: 'retrying', bury: 'dead', hold: 'pending', replay: 'pending' },
  retrying: { deliver: 'delivered', retry: 'retrying', bury: 'dead', hold: 'retrying', replay: 'pending' },
  delivered: { deliver: null, retry: null, bury: null, hold: null, replay: 'pending' },
  dead: { deliver: null, retry: null, bury: null, hold: null, replay: 'pending' },
} as const satisfies Record<DeliveryState, Record<DeliveryMove, DeliveryState | null>>

/** The state after a move. Throws on an illegal one: that is a bug of the hub, never of what it talks to. */
export function transition(from: DeliveryState, move: DeliveryMove): DeliveryState {
  const to = TRANSITIONS[from][move]
  if (to === null) throw new Error(`A delivery that is ${from} cannot ${move}.`)
  return to
}

/** True when nothing happens to it any more by itself. Closed by never: a new state must decide. */
export function isTerminal(state: DeliveryState): boolean {
  switch (state) {
    case 'pending':
    case 'retrying':
      return false
    case 'delivered':
    case 'dead':
      return true
    default: {
      const unknown: never = state
      throw new Error(`Unknown delivery state ${String(unknown)}.`)
    }
  }
}

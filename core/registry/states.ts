/**
 * The states of an installation and every way from one to another. A move that is not in the table throws.
 *
 *          few points left     410 Gone, or pauses again and again
 *   ready ────degrade─────▶ degraded ────────disable───────▶ disabled
 *     │ ◀─────recover──────  │    ▲                             │
 *     │                      │  return (by itself)              │
 *     ├──pause, exhaust──▶ paused ┘                             │
 *     │ ◀─resume─────────────┘                                  │
 *     │ ◀────────────────────────enable─────────────────────────┘
 *
 *   any ──invalidate──▶ invalid ──validate──▶ ready        its part of the file cannot run / can again
 *   any ──widen──▶ needs-approval ──approve──▶ ready       a plugin asks for more and no allowed version is left
 */
import { HubError } from '../errors.ts'
import type { InstallationState } from '../model.ts'
import { INSTALLATION_STATES } from '../model.ts'

interface Move {
  readonly from: readonly InstallationState[]
  readonly to: InstallationState
  /** What happened, for messages. */
  readonly what: string
}

export const INSTALLATION_MOVES = {
  // From paused as well: what would return by itself then waits for whoever paused it.
  pause: { from: ['ready', 'degraded', 'paused'], to: 'paused', what: 'paused by the file or an operator' },
  resume: { from: ['paused'], to: 'ready', what: 'resumed' },
  degrade: { from: ['ready'], to: 'degraded', what: 'the plugin has used many of its points' },
  recover: { from: ['degraded'], to: 'ready', what: 'it has enough points again' },
  exhaust: { from: ['ready', 'degraded'], to: 'paused', what: 'the plugin has used up its points' },
  return: { from: ['paused'], to: 'degraded', what: 'its pause for used up points is over' },
  disable: {
    from: ['ready', 'degraded', 'paused'],
    to: 'disabled',
    what: 'its destination is gone for good, or it used up its points again and again',
  },
  enable: { from: ['disabled'], to: 'ready', what: 'enabled by an operator, or its settings changed' },
  invalidate: {
    from: ['ready', 'degraded', 'paused', 'disabled', 'needs-approval'],
    to: 'invalid',
    what: 'its part of the configuration cannot run',
  },
  validate: { from: ['invalid'], to: 'ready', what: 'its part of the configuration can run again' },
  widen: {
    from: ['ready', 'degraded', 'paused', 'disabled', 'invalid'],
    to: 'needs-approval',
    what: 'the plugin asks for more than was granted',
  },
  approve: { from: ['needs-approval'], to: 'ready', what: 'what it asks for was granted' },
} as const satisfies Record<string, Move>

export type InstallationMove = keyof typeof INSTALLATION_MOVES

/** True when the state has this way out. */
export const canMove = (state: InstallationState, move: InstallationMove): boolean =>
  (INSTALLATION_MOVES[move].from as readonly InstallationState[]).includes(state)

/** The state after the move; `conflict` when the state has no such way out. */
export function moveInstallation(state: InstallationState, move: InstallationMove): InstallationState {
  if (canMove(state, move)) return INSTALLATION_MOVES[move].to
  const possible = Object.keys(INSTALLATION_MOVES).filter((name) => canMove(state, name as InstallationMove))
  throw new HubError(
    'conflict',
    `An installation that is ${state} cannot ${move}; it can ${possible.join(', ') || 'do nothing'}.`,
  )
}

/** True when its handlers and actions are run. */
export function isRunning(state: InstallationState): boolean {
  switch (state) {
    case 'ready':
    case 'degraded':
      return true
    case 'paused':
    case 'disabled':
    case 'needs-approval':
    case 'invalid':
      return false
    default:
      return unknown(state)
  }
}

function unknown(state: never): never {
  throw new Error(`unknown installation state ${String(state)}; known: ${INSTALLATION_STATES.join(', ')}`)
}

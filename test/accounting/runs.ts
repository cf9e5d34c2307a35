/** Runs and what they came to, as the accounts hear of them. */
import { HubError } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { Run, RunInput, RunResult } from '../../core/sandbox/sandbox.ts'

export const EVENT: RunInput = { kind: 'event', type: 'response.submitted', eventJson: '{}' }

export const actionOf = (items: number): RunInput => ({
  kind: 'action',
  name: 'post',
  itemsJson: Array.from({ length: items }, () => '{}'),
})

export const runOf = (input: RunInput = EVENT): Run => ({
  id: 'run_1',
  attempt: 1,
  input,
  capabilities: () => Promise.resolve(undefined),
})

/** A run that ended well and cost nothing, but for what is said. */
export function resultOf(more: Partial<Omit<RunResult, 'error'>> & { readonly code?: ErrorCode } = {}): RunResult {
  const { code, ...rest } = more
  return {
    id: 'run_1',
    value: null,
    effects: { enqueue: [], kv: [], emit: [], tally: [], metric: [] },
    logs: [],
    logsDropped: 0,
    cpuMs: 0,
    durationMs: 1,
    readingMs: 0,
    hostOps: 0,
    httpCalls: 0,
    ...rest,
    error: code === undefined ? null : new HubError(code, 'it failed'),
  }
}

/** A run that is over, with what the test cares about changed. */
import { newId } from '../../core/ids.ts'
import type { Exchange } from '../../core/model.ts'
import type { RunEnd } from '../../core/runs/record.ts'
import { NO_EFFECTS } from '../../core/sandbox/report.ts'
import { installation } from '../delivery/world.ts'

export const INSTALLATION = installation({ id: 'crm', code: {} })

const exchange = (n: number, urlChars: number): Exchange => ({
  method: 'POST',
  url: `https://crm.example/${n}${'x'.repeat(urlChars)}`,
  requestHeaders: {},
  requestBody: null,
  status: 200,
  responseHeaders: {},
  responseBody: null,
  truncated: false,
  durationMs: 1,
  error: null,
})

interface RunEndChanges extends Partial<RunEnd> {
  /** So many requests, with paths of so many characters more. */
  readonly requests?: number
  readonly urlChars?: number
}

export function runEnd({ requests = 0, urlChars = 0, ...changes }: RunEndChanges = {}): RunEnd {
  const id = newId('run')
  return {
    id,
    installation: INSTALLATION,
    kind: 'handler',
    name: 'response.submitted',
    attempt: 1,
    startedAtMs: Date.parse('2026-03-01T10:00:00.000Z'),
    durationMs: 2,
    items: [{ eventId: newId('event'), deliveryId: null, formId: null, responseId: null, outcome: null }],
    result: {
      id,
      value: null,
      effects: NO_EFFECTS,
      logs: [],
      logsDropped: 0,
      cpuMs: 1,
      durationMs: 2,
      readingMs: 0,
      hostOps: 0,
      httpCalls: 0,
      error: null,
    },
    effects: { deliveries: [], kv: [], events: [], tallies: [] },
    exchanges: Array.from({ length: requests }, (_, n) => exchange(n, urlChars)),
    failure: null,
    mask: (text) => text,
    ...changes,
  }
}

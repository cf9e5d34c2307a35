/** What the numbers of the hub say of an attempt that is over. */
import type { Delivery } from '../model.ts'
import type { Meter } from '../observe/observe.ts'
import type { Installation } from '../registry/installation.ts'
import type { AttemptEnd } from './attempt.ts'
import { isFailure } from './outcome.ts'
import type { Verdict } from './outcome.ts'

/** Handlers that are tried again are deliveries, too, but nothing of theirs goes out. */
export function countAttempt(
  meter: Meter,
  installation: Installation,
  { delivery, verdict, end, nowMs }: { delivery: Delivery; verdict: Verdict; end: AttemptEnd; nowMs: number },
): void {
  meter.attempt(installation.id, verdict.kind, end.durationMs)
  if (delivery.kind !== 'action') return
  if (isFailure(verdict)) meter.deliveryFailed(installation.workspace)
  if (verdict.kind !== 'delivered') return
  const tookMs = nowMs - Date.parse(delivery.createdAt)
  meter.endToEnd(installation.id, tookMs)
  meter.deliveryMade(installation.workspace, tookMs)
}

/** What follows where only the admin can mend it, such as a refused credential or a destination that is gone: the lane stands still at once, and somebody writes that down. */
import type { Delivery } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { AttemptEnd } from './attempt.ts'
import type { Lane } from './lane.ts'
import { isRunnable } from './ports.ts'
import type { DisableInstallation, RefuseSettings } from './ports.ts'

interface Ended {
  readonly lane: Lane
  readonly installation: Installation
  /** Of the lane when the attempt began. */
  readonly era: number
  /** In the order of the verdicts. */
  readonly deliveries: readonly Delivery[]
  readonly end: Pick<AttemptEnd, 'verdicts' | 'mask'>
}

/** Nothing unless a verdict stops it. An attempt that began before it was mended says nothing of what there is now. */
export function standStill(
  { lane, installation, era, deliveries, end }: Ended,
  { refused, disable }: { readonly refused: RefuseSettings; readonly disable: DisableInstallation },
): void {
  const place = end.verdicts.findIndex((each) => each.kind === 'refused' || (each.kind === 'dead' && each.disable))
  const verdict = end.verdicts[place]
  if (verdict?.kind !== 'refused' && verdict?.kind !== 'dead') return
  if (era !== lane.era || !isRunnable(lane.state)) return
  lane.reconfigure(installation, 'disabled')
  const { id: deliveryId = null, responseId = null } = deliveries[place] ?? {}
  const said = { message: end.mask(verdict.error), deliveryId, responseId }
  if (verdict.kind === 'refused') refused(installation, { code: verdict.code, ...said })
  else disable(installation, { code: verdict.code, ...said })
}

/** How fast runs of an action may start that share a `paceBy`, as the manifest or its setting says. Pure. */
import type { Delivery } from '../model.ts'
import type { Installation } from '../registry/installation.ts'

export interface Pace {
  readonly perSecond: number
  /** So many start at once after a rest. */
  readonly burst: number
  /** So many are under way at most. */
  readonly atOnce: number
}

type Paced = Pick<Installation, 'plugin' | 'config'>

/** What the manifest says of the delivery's action; undefined: it is of none. */
export function actionOf({ plugin }: Pick<Paced, 'plugin'>, { kind, name }: Pick<Delivery, 'kind' | 'name'>) {
  const { actions } = plugin.manifest
  return kind === 'action' && Object.hasOwn(actions, name) ? actions[name] : undefined
}

/** The pace of one of its actions; null: it has none. */
export function paceOf({ plugin, config }: Paced, delivery: Pick<Delivery, 'kind' | 'name'>): Pace | null {
  const pace = actionOf({ plugin }, delivery)?.pace
  if (pace === undefined) return null
  const { perS, burst, atOnce = Infinity } = pace
  // The manifest is refused when that setting could be anything but a number above 0.
  const perSecond = typeof perS === 'number' ? perS : Number(config[perS.slice(SETTING.length)])
  return { perSecond, burst, atOnce }
}

/** How a manifest names a setting. */
const SETTING = '@config.'

/** True when some action has another pace than before. */
export function isRepaced(before: Paced, after: Paced): boolean {
  const names = new Set([before, after].flatMap(({ plugin }) => Object.keys(plugin.manifest.actions)))
  return [...names].some((name) => {
    const [was, is] = [before, after].map((paced) => paceOf(paced, { kind: 'action', name }))
    return was?.perSecond !== is?.perSecond || was?.burst !== is?.burst || was?.atOnce !== is?.atOnce
  })
}

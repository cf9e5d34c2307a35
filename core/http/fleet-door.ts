/** The door between processes of one hub; to everybody without its key there is nothing here. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { HubError } from '../errors.ts'
import { answerCall, DOOR_KEY_HEADER, DOOR_PATH } from '../fleet/anywhere.ts'
import type { BoundCalls } from '../fleet/anywhere.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Limits } from '../limits.ts'
import { readBytes } from './body.ts'
import { goneOf, json } from './route.ts'
import type { Route } from './route.ts'

export interface FleetDoor {
  readonly fleet: Pick<Fleet, 'holds'>
  readonly key: string
  /** What runs in this process. */
  readonly here: BoundCalls
}

/** What a plugin's route may get is the largest there is to pass on, in JSON. */
const BODY_FACTOR = 8

/** `door` is absent where there is only one process. */
export function fleetDoorRoutes(deps: { readonly door?: FleetDoor | undefined; readonly limits: Limits }): Route[] {
  const { door, limits } = deps
  if (door === undefined) return []
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const wanted = digest(door.key)
  return [
    {
      method: 'POST',
      path: DOOR_PATH,
      access: 'open',
      handler: async (call) => {
        const shown = call.incoming.headers[DOOR_KEY_HEADER]
        if (typeof shown !== 'string' || !timingSafeEqual(digest(shown), wanted))
          throw new HubError('not_found', `Nothing is served at ${DOOR_PATH}. The API is described at /docs.`)
        const bytes = await readBytes(call.incoming, limits.pluginRouteBodyBytesMax * BODY_FACTOR)
        const asked = JSON.parse(bytes.toString('utf8')) as { name: unknown; input: unknown }
        return json(call, await answerCall(door, asked, { gone: goneOf(call) }))
      },
    },
  ]
}

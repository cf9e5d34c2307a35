/** Hostile plugins beside an honest webhooks installation in one hub: what each came to, and that nobody else felt it. */
import { settled } from './hub.ts'
import type { Hub } from './hub.ts'
import { allItems } from './pages.ts'
import { FAULT_PLUGINS, openScene } from './scene.ts'
import type { Scene } from './scene.ts'
import { sleep } from './wait.ts'

/** Short, so that a breach is noticed soon; the kinds of limits are the real ones. */
export const SHORT_LIMITS = {
  pluginSliceMs: 100,
  pluginCpuMs: 100,
  pluginEventWallMs: 3_000,
  pluginActionWallMs: 2_000,
  // Every run is to be seen, so nobody runs out of points.
  pluginPointsMax: 1_000_000,
} as const

/** A delivery as the API lists it. */
export interface DeliveryItem {
  readonly id: string
  readonly installation: string
  readonly plugin: string
  readonly kind: string
  readonly name: string
  readonly test: boolean
  readonly event_id: string | null
  readonly response_id: string | null
  readonly state: string
  readonly reason: string | null
  readonly error_code: string | null
  readonly error: string | null
  readonly attempts: number
}

/** Opens a scene with one installation of each of these fault plugins, under the plugin's own name. */
export async function openHostileScene(
  plugins: readonly string[],
  limits: Readonly<Record<string, number>> = {},
): Promise<Scene> {
  return await openScene({
    pluginDirs: [FAULT_PLUGINS],
    beside: plugins.map((id) => ({ id, use: id, retry: { schedule: [] } })),
    limits: { ...SHORT_LIMITS, ...limits },
  })
}

export interface Pulse extends AsyncDisposable {
  /** Answers of /healthz so far that were not 200. */
  readonly failures: number
  readonly beats: number
}

/** Asks /healthz ten times a second. */
export function watchHealth(hub: Hub): Pulse {
  let failures = 0
  let beats = 0
  let running = true
  const loop = async () => {
    while (running) {
      const status = await hub.api('GET', '/healthz', undefined, { timeoutMs: 5_000 }).then(
        (answer) => answer.status,
        () => 0,
      )
      beats += 1
      if (status !== 200) failures += 1
      await sleep(100)
    }
  }
  const looping = loop()
  return {
    get failures() {
      return failures
    },
    get beats() {
      return beats
    },
    [Symbol.asyncDispose]: async () => {
      running = false
      await looping
    },
  }
}

/** Sends these keys one after the other and waits until nothing waits any more. */
export async function play({ hub, driver }: Scene, keys: readonly string[], timeoutMs = 60_000): Promise<void> {
  for (const key of keys) await driver.submit(key)
  await settled(hub, timeoutMs)
}

/** The deliveries of an installation, oldest first. */
export const deliveriesOf = async (hub: Hub, installation: string): Promise<DeliveryItem[]> =>
  (await allItems<DeliveryItem>(hub, `/api/v2/deliveries?installation=${installation}`)).toSorted((a, b) =>
    a.id < b.id ? -1 : 1,
  )

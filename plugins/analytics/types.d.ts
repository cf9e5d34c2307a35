/** Made from plugin.json by `manifold plugin types`; changes are made there. */

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** IANA name of the zone that days begin in, where a question names none. */
  readonly timezone: string
  /** What the engine may hold in memory; beyond it works from disk. */
  readonly memoryMb: number
  /** What counts for headline numbers may take in memory, about 12 bytes a response and number; forms beyond it are answered from rows. */
  readonly countsMb: number
  /** So long after something was erased, the engine's file is written anew, without the bytes of it. */
  readonly rewriteAfterS: number
  /** Fields of behaviour events that keys with analytics:read alone may divide and filter by, beside those that are open anyway: properties.plan, subject. */
  readonly openFields: readonly string[]
  /** Questions that take longer are told in the log and listed (manifold analytics slow). */
  readonly slowQueryMs: number
  /** A question that takes longer is given up. It ends with its request in any case (limits: pluginRouteWallMs, 5 s unless said). */
  readonly queryTimeoutMs: number
}

/** The settings as an admin writes them. */
export interface Settings {
  /** IANA name of the zone that days begin in, where a question names none. */
  readonly timezone?: string
  /** What the engine may hold in memory; beyond it works from disk. */
  readonly memoryMb?: number
  /** What counts for headline numbers may take in memory, about 12 bytes a response and number; forms beyond it are answered from rows. */
  readonly countsMb?: number
  /** So long after something was erased, the engine's file is written anew, without the bytes of it. */
  readonly rewriteAfterS?: number
  /** Fields of behaviour events that keys with analytics:read alone may divide and filter by, beside those that are open anyway: properties.plan, subject. */
  readonly openFields?: readonly string[]
  /** Questions that take longer are told in the log and listed (manifold analytics slow). */
  readonly slowQueryMs?: number
  /** A question that takes longer is given up. It ends with its request in any case (limits: pluginRouteWallMs, 5 s unless said). */
  readonly queryTimeoutMs?: number
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {
    readonly 'response.submitted': 'data' | 'form' | 'response'
    readonly 'response.partial': 'data' | 'form' | 'response'
    readonly 'response.deleted': 'data' | 'form'
    readonly 'form.changed': 'data' | 'form'
    readonly 'form.deleted': 'data' | 'form'
    readonly 'events.expired': 'data'
    readonly 'track.*': 'data' | 'meta'
  }
  readonly actions: {}
  readonly schedules: never
  readonly routes: 'POST /query' | 'POST /funnels' | 'POST /retention' | 'POST /cohorts' | 'POST /journeys' | 'POST /segments' | 'POST /experiments' | 'GET /activity' | 'GET /events/{id}' | 'GET /ladder' | 'GET /features' | 'GET /heatmap' | 'GET /users/{id}' | 'GET /sql' | 'POST /sql' | 'GET /forms' | 'GET /forms/{id}/metrics' | 'GET /live/forms/{id}' | 'GET /live/events/{id}' | 'GET /slow' | 'POST /rebuild' | 'GET /rebuild' | 'GET /annotations' | 'POST /annotations' | 'DELETE /annotations/{id}' | 'GET /saved' | 'POST /saved' | 'GET /saved/{id}' | 'POST /saved/{id}' | 'DELETE /saved/{id}' | 'GET /shares' | 'POST /shares' | 'DELETE /shares/{id}' | 'GET /share/{token}'
}

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
  /** A question that takes longer is given up. */
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
  /** A question that takes longer is given up. */
  readonly queryTimeoutMs?: number
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {
    readonly 'response.submitted': 'data' | 'form' | 'response'
    readonly 'response.partial': 'data' | 'form' | 'response'
    readonly 'response.deleted': 'data' | 'form'
    readonly 'form.deleted': 'data' | 'form'
    readonly 'events.expired': 'data'
    readonly 'track.*': 'data' | 'meta'
  }
  readonly actions: {}
  readonly schedules: never
  readonly routes: 'POST /query' | 'POST /funnels' | 'POST /retention' | 'POST /cohorts' | 'POST /journeys' | 'POST /segments' | 'POST /experiments' | 'GET /features' | 'GET /heatmap' | 'GET /users/{id}' | 'GET /sql' | 'POST /sql' | 'GET /forms/{id}/metrics' | 'GET /live/forms/{id}' | 'GET /live/events/{id}' | 'POST /rebuild' | 'GET /rebuild' | 'GET /annotations' | 'POST /annotations' | 'DELETE /annotations/{id}' | 'GET /shares' | 'POST /shares' | 'DELETE /shares/{id}' | 'GET /share/{token}'
}

/** Made from plugin.json by `manifold plugin types`; changes are made there. */

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** Each one that is in an answer counts two points, in any case and also inside a word. */
  readonly words: readonly string[]
  /** Domains of links and e-mail addresses that are never wanted; each counts four points. */
  readonly domains: readonly string[]
  /** Each link beyond so many counts one point. */
  readonly linksMax: number
  /** With so many it is put aside. */
  readonly points: number
}

/** The settings as an admin writes them. */
export interface Settings {
  /** Each one that is in an answer counts two points, in any case and also inside a word. */
  readonly words?: readonly string[]
  /** Domains of links and e-mail addresses that are never wanted; each counts four points. */
  readonly domains?: readonly string[]
  /** Each link beyond so many counts one point. */
  readonly linksMax?: number
  /** With so many it is put aside. */
  readonly points?: number
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {}
  readonly actions: {}
  readonly schedules: never
  readonly routes: never
  readonly transform: { readonly data: 'data'; readonly headers: never }
}

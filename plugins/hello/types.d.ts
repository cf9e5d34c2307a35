/** Made from plugin.json by `manifold plugin types`; changes are made there. */

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** Key of the field whose answers are counted. */
  readonly question: string
}

/** The settings as an admin writes them. */
export interface Settings {
  /** Key of the field whose answers are counted. */
  readonly question?: string
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {
    readonly 'response.submitted': 'data' | 'form'
  }
  readonly actions: {}
  readonly schedules: never
  readonly routes: never
}

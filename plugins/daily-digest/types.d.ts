/** Made from plugin.json by `manifold plugin types`; changes are made there. */

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** Each gets an e-mail of their own. */
  readonly to: readonly string[]
  /** How many responses are shown. */
  readonly newest: number
  /** No e-mail when nothing came. */
  readonly quiet: boolean
}

/** The settings as an admin writes them. */
export interface Settings {
  /** Each gets an e-mail of their own. */
  readonly to: readonly string[]
  /** How many responses are shown. */
  readonly newest?: number
  /** No e-mail when nothing came. */
  readonly quiet?: boolean
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {
    readonly 'response.submitted': 'form'
  }
  readonly actions: {
    readonly send: { readonly input: {
      readonly to: string
      readonly subject: string
      readonly text: string
    }; readonly data: never }
  }
  readonly schedules: 'digest'
  readonly routes: never
}

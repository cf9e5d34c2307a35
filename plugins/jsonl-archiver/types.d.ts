/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { Json, SecretRef } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** The folder, with a slash at its end. */
  readonly url: string
  /** Sent as a bearer token. */
  readonly token?: SecretRef
}

/** The settings as an admin writes them. */
export interface Settings {
  /** The folder, with a slash at its end. */
  readonly url: string
  /** Sent as a bearer token. */
  readonly token?: string
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {}
  readonly actions: {
    readonly collect: { readonly input: Json; readonly data: 'response' }
    readonly put: { readonly input: {
      readonly responses: readonly string[]
    }; readonly data: never }
  }
  readonly schedules: never
  readonly routes: never
}

/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { Json, SecretRef } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** Of the Slack app: Basic Information, App Credentials. */
  readonly signingSecret: SecretRef
}

/** The settings as an admin writes them. */
export interface Settings {
  /** Of the Slack app: Basic Information, App Credentials. */
  readonly signingSecret: string
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {}
  readonly actions: {
    readonly pass: { readonly input: {
      readonly name: string
      readonly data: { readonly [name: string]: Json }
    }; readonly data: never }
  }
  readonly schedules: never
  readonly routes: 'POST /interact'
}

/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { Json } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** The field of type email with the address. */
  readonly field: string
  readonly subject: string
  /** Mustache: {{data.name}}, {{form.name}}, {{response.id}}. */
  readonly text: string
  /** The same for those who read HTML; values are escaped. */
  readonly html?: string
  /** Where answers to the e-mail go. */
  readonly replyTo?: string
}

/** The settings as an admin writes them. */
export interface Settings {
  /** The field of type email with the address. */
  readonly field?: string
  readonly subject?: string
  /** Mustache: {{data.name}}, {{form.name}}, {{response.id}}. */
  readonly text?: string
  /** The same for those who read HTML; values are escaped. */
  readonly html?: string
  /** Where answers to the e-mail go. */
  readonly replyTo?: string
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {}
  readonly actions: {
    readonly thank: { readonly input: Json; readonly data: 'data' | 'form' | 'response' }
  }
  readonly schedules: never
  readonly routes: never
}

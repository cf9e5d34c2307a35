/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { Json } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** Who is told of each response. Each gets an e-mail of their own. */
  readonly to: readonly string[]
  readonly subject: string
  /** Mustache: {{data.key}}, {{form.name}}, {{response.id}}, {{meta.ip}}, {{#answers}}...{{/answers}}. */
  readonly text: string
  /** The same for those who read HTML; answers are escaped. */
  readonly html?: string
  /** Where answers to the e-mail go: an address, or a template such as {{data.email}}. */
  readonly replyTo?: string
  /** An e-mail to whoever answered. */
  readonly respondent?: {
    /** The field of type email with the address. */
    readonly field: string
    readonly subject: string
    readonly text: string
    readonly html?: string
    readonly replyTo?: string
  }
  /** One e-mail to you for all responses of a while instead of one each. */
  readonly digest?: {
    readonly everyMinutes: number
    /** How many responses are shown. */
    readonly lines: number
    readonly subject: string
    readonly line: string
  }
}

/** The settings as an admin writes them. */
export interface Settings {
  /** Who is told of each response. Each gets an e-mail of their own. */
  readonly to?: readonly string[]
  readonly subject?: string
  /** Mustache: {{data.key}}, {{form.name}}, {{response.id}}, {{meta.ip}}, {{#answers}}...{{/answers}}. */
  readonly text?: string
  /** The same for those who read HTML; answers are escaped. */
  readonly html?: string
  /** Where answers to the e-mail go: an address, or a template such as {{data.email}}. */
  readonly replyTo?: string
  /** An e-mail to whoever answered. */
  readonly respondent?: {
    /** The field of type email with the address. */
    readonly field?: string
    readonly subject?: string
    readonly text?: string
    readonly html?: string
    readonly replyTo?: string
  }
  /** One e-mail to you for all responses of a while instead of one each. */
  readonly digest?: {
    readonly everyMinutes: number
    /** How many responses are shown. */
    readonly lines?: number
    readonly subject?: string
    readonly line?: string
  }
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {
    readonly 'response.submitted': 'form' | 'response'
  }
  readonly actions: {
    readonly send: { readonly input: {
      /** An address of the settings; null: whoever answered. */
      readonly to: string | null
      readonly digest?: {
        readonly count: number
        readonly responses: readonly string[]
      }
    }; readonly data: 'data' | 'form' | 'response' | 'meta' }
    readonly collect: { readonly input: Json; readonly data: never }
  }
  readonly schedules: never
  readonly routes: never
}

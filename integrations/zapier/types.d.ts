/** Made from plugin.json by `manifold plugin types`; changes are made there. */

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** To each hook, after ten at once; of those at most eight are under way. Zapier takes 30 a second, and 10,000 in five minutes. */
  readonly perS: number
}

/** The settings as an admin writes them. */
export interface Settings {
  /** To each hook, after ten at once; of those at most eight are under way. Zapier takes 30 a second, and 10,000 in five minutes. */
  readonly perS?: number
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {
    readonly 'response.submitted': 'form'
    readonly 'response.partial': 'form'
    readonly 'form.changed': 'data' | 'form'
    readonly 'delivery.dead': 'data' | 'form'
    readonly 'alert.raised': never
  }
  readonly actions: {
    readonly post: { readonly input: {
      readonly hook: string
      readonly form?: string
      readonly event: 'response.submitted' | 'response.partial' | 'form.created' | 'form.changed' | 'delivery.dead' | 'alert.raised'
    }; readonly data: 'data' | 'form' | 'response' }
    readonly spread: { readonly input: {
      readonly after?: string
      readonly event: 'response.submitted' | 'response.partial' | 'form.created' | 'form.changed' | 'delivery.dead' | 'alert.raised'
    }; readonly data: 'form' }
  }
  readonly schedules: never
  readonly routes: never
}

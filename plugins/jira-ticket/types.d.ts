/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { Json, SecretRef } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** Where JIRA is. */
  readonly site: string
  /** Whose API token it is. */
  readonly email: string
  /** An API token of that account. */
  readonly token: SecretRef
  /** Key of the project. */
  readonly project: string
  readonly issueType: string
  readonly labels: readonly string[]
  readonly summary: string
  /** Mustache; each line becomes a paragraph. Also {{data.key}}, {{form.name}}, {{response.id}}. */
  readonly description: string
}

/** The settings as an admin writes them. */
export interface Settings {
  /** Where JIRA is. */
  readonly site: string
  /** Whose API token it is. */
  readonly email: string
  /** An API token of that account. */
  readonly token: string
  /** Key of the project. */
  readonly project: string
  readonly issueType?: string
  readonly labels?: readonly string[]
  readonly summary?: string
  /** Mustache; each line becomes a paragraph. Also {{data.key}}, {{form.name}}, {{response.id}}. */
  readonly description?: string
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {}
  readonly actions: {
    readonly create: { readonly input: Json; readonly data: 'data' | 'form' | 'response' }
  }
  readonly schedules: never
  readonly routes: never
}

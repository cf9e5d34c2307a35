/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { Json, SecretRef } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** Where to send to. http or https; private addresses only when network.allow lists them. */
  readonly url: string
  readonly method: 'POST' | 'PUT' | 'PATCH'
  /** With a type that is not JSON the template is one text and is sent as rendered. */
  readonly contentType: string
  /** Headers to add, by name. */
  readonly headers?: { readonly [name: string]: string }
  /** Headers to add whose values are secret, such as Authorization. Not shown anywhere. */
  readonly secretHeaders?: { readonly [name: string]: SecretRef }
  /** Any JSON; strings may hold {{data.key}}, {{form.name}}, {{response.id}}, {{event.type}}, {{meta.ip}}, {{delivery.id}} and sections. A string that is one tag keeps the value's type. Without it the default payload is sent. */
  readonly template?: Json
  /** Key of the signatures. Without any secret requests are not signed. For "standard" it has to be whsec_ and base64. */
  readonly secret?: SecretRef
  /** More secrets while you rotate, newest first; each may have an end. */
  readonly secrets?: readonly {
    readonly secret: SecretRef
    /** Not used for signing from then on. */
    readonly until?: string
  }[]
  /** One scheme, or "standard" together with one of the others. */
  readonly signatures: readonly ('sha256=hex' | 'hex' | 't,v1' | 'standard')[]
  /** Header of the signature, for every scheme but "standard". */
  readonly signatureHeader: string
  /** What to do on 3xx and on 4xx other than 408, 425 and 429. 410 always disables. */
  readonly permanent4xx: 'retry' | 'dead'
}

/** The settings as an admin writes them. */
export interface Settings {
  /** Where to send to. http or https; private addresses only when network.allow lists them. */
  readonly url: string
  readonly method?: 'POST' | 'PUT' | 'PATCH'
  /** With a type that is not JSON the template is one text and is sent as rendered. */
  readonly contentType?: string
  /** Headers to add, by name. */
  readonly headers?: { readonly [name: string]: string }
  /** Headers to add whose values are secret, such as Authorization. Not shown anywhere. */
  readonly secretHeaders?: { readonly [name: string]: string }
  /** Any JSON; strings may hold {{data.key}}, {{form.name}}, {{response.id}}, {{event.type}}, {{meta.ip}}, {{delivery.id}} and sections. A string that is one tag keeps the value's type. Without it the default payload is sent. */
  readonly template?: Json
  /** Key of the signatures. Without any secret requests are not signed. For "standard" it has to be whsec_ and base64. */
  readonly secret?: string
  /** More secrets while you rotate, newest first; each may have an end. */
  readonly secrets?: readonly {
    readonly secret: string
    /** Not used for signing from then on. */
    readonly until?: string
  }[]
  /** One scheme, or "standard" together with one of the others. */
  readonly signatures?: readonly ('sha256=hex' | 'hex' | 't,v1' | 'standard')[]
  /** Header of the signature, for every scheme but "standard". */
  readonly signatureHeader?: string
  /** What to do on 3xx and on 4xx other than 408, 425 and 429. 410 always disables. */
  readonly permanent4xx?: 'retry' | 'dead'
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {
    readonly 'delivery.dead': 'data'
  }
  readonly actions: {
    readonly send: { readonly input: Json; readonly data: 'data' | 'form' | 'response' | 'meta' }
  }
  readonly schedules: never
  readonly routes: never
}

/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { SecretRef } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** Whose webhooks arrive here. */
  readonly from: 'typeform' | 'tally' | 'jotform' | 'formbricks' | 'google-forms' | 'json'
  /** What the sender signs with; of Jotform the last part of the URL. */
  readonly secret: SecretRef
  /** Counts as well, while the secret is changed at the sender. */
  readonly previousSecret?: SecretRef
  /** Where the answers go. Without it: "<from>-<the sender's id of the form>". */
  readonly form?: string
  /** create: the form is made and gets new fields from what arrives. map: into the fields that are there; other answers are left out. strict: as map, but an answer without a field puts the response into quarantine. */
  readonly forms: 'create' | 'map' | 'strict'
  /** Field of the form → where its answer is: the sender's key, id or label of the question; of json a JSON pointer into the body. */
  readonly fields: { readonly [name: string]: string }
  /** Of json: where things are in the body, as JSON pointers (RFC 6901), and how it is signed. */
  readonly json?: {
    /** The sender's id of the response, the same on every retry. */
    readonly id: string
    /** An object of answers by key, beside what "fields" names. */
    readonly answers?: string
    /** The sender's id of the form. */
    readonly form?: string
    readonly formName?: string
    readonly startedAt?: string
    readonly submittedAt?: string
    /** When false there, the response is partial. */
    readonly completed?: string
    /** bearer: Authorization: Bearer <secret>. path: the secret is the last part of the URL. */
    readonly signature: 'hex' | 'sha256=hex' | 'base64' | 'sha256=base64' | 't,v1' | 'standard' | 'bearer' | 'path'
    readonly header: string
    readonly toleranceS: number
  }
}

/** The settings as an admin writes them. */
export interface Settings {
  /** Whose webhooks arrive here. */
  readonly from: 'typeform' | 'tally' | 'jotform' | 'formbricks' | 'google-forms' | 'json'
  /** What the sender signs with; of Jotform the last part of the URL. */
  readonly secret: string
  /** Counts as well, while the secret is changed at the sender. */
  readonly previousSecret?: string
  /** Where the answers go. Without it: "<from>-<the sender's id of the form>". */
  readonly form?: string
  /** create: the form is made and gets new fields from what arrives. map: into the fields that are there; other answers are left out. strict: as map, but an answer without a field puts the response into quarantine. */
  readonly forms?: 'create' | 'map' | 'strict'
  /** Field of the form → where its answer is: the sender's key, id or label of the question; of json a JSON pointer into the body. */
  readonly fields?: { readonly [name: string]: string }
  /** Of json: where things are in the body, as JSON pointers (RFC 6901), and how it is signed. */
  readonly json?: {
    /** The sender's id of the response, the same on every retry. */
    readonly id: string
    /** An object of answers by key, beside what "fields" names. */
    readonly answers?: string
    /** The sender's id of the form. */
    readonly form?: string
    readonly formName?: string
    readonly startedAt?: string
    readonly submittedAt?: string
    /** When false there, the response is partial. */
    readonly completed?: string
    /** bearer: Authorization: Bearer <secret>. path: the secret is the last part of the URL. */
    readonly signature?: 'hex' | 'sha256=hex' | 'base64' | 'sha256=base64' | 't,v1' | 'standard' | 'bearer' | 'path'
    readonly header?: string
    readonly toleranceS?: number
  }
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {}
  readonly actions: {}
  readonly schedules: never
  readonly routes: 'POST /in' | 'POST /in/{token}' | 'POST /jotform/{token}'
}

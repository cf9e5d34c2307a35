/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { Json, SecretRef } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** Your My Domain, of a sandbox such as https://example--dev.sandbox.my.salesforce.com. Nothing is sent anywhere else. */
  readonly instanceUrl: string
  readonly auth: {
    /** How the hub signs in: with a certificate, with a secret, or with a refresh token. */
    readonly flow: 'jwt' | 'client_credentials' | 'refresh_token'
    /** The consumer key of the External Client App. */
    readonly clientId: string
    /** The consumer secret of the app. */
    readonly clientSecret?: SecretRef
    /** Whom the hub works as (jwt). */
    readonly username?: string
    /** The private key of the certificate, in PEM (PKCS#8) (jwt). */
    readonly privateKey?: SecretRef
    readonly refreshToken?: SecretRef
    /** Of the JWT; https://test.salesforce.com for sandboxes. */
    readonly audience: string
  }
  /** The API name: Lead, Contact, My_Object__c. */
  readonly object: string
  /** What says that it is the same record: a field that is marked External ID. */
  readonly externalId: {
    readonly field: string
    readonly value: string
  }
  /** Field of the object → Mustache over data, form, response, event, meta; or {value, type}. */
  readonly fields: { readonly [name: string]: string | {
      readonly value: string
      /** Default: text. */
      readonly type?: 'text' | 'number' | 'boolean' | 'date' | 'datetime' | 'picklist' | 'multipicklist'
      /** Longer text is cut here instead of being refused. */
      readonly maxLength?: number
      /** Without an answer the field is emptied; else it is left as it is. */
      readonly clear?: boolean
    } }
  readonly apiVersion: string
  /** Assignment rules: none, the active one, or the one with this id. They run at every repeat as well. */
  readonly autoAssign: boolean | string
  /** What to do where a duplicate rule alerts: a dead letter, or save all the same. Rules that block always block. */
  readonly duplicateRules: 'refuse' | 'allow'
  /** Records a call. Fewer where triggers and flows make Salesforce take more than 15 s. */
  readonly batchSize: number
}

/** The settings as an admin writes them. */
export interface Settings {
  /** Your My Domain, of a sandbox such as https://example--dev.sandbox.my.salesforce.com. Nothing is sent anywhere else. */
  readonly instanceUrl: string
  readonly auth: {
    /** How the hub signs in: with a certificate, with a secret, or with a refresh token. */
    readonly flow: 'jwt' | 'client_credentials' | 'refresh_token'
    /** The consumer key of the External Client App. */
    readonly clientId: string
    /** The consumer secret of the app. */
    readonly clientSecret?: string
    /** Whom the hub works as (jwt). */
    readonly username?: string
    /** The private key of the certificate, in PEM (PKCS#8) (jwt). */
    readonly privateKey?: string
    readonly refreshToken?: string
    /** Of the JWT; https://test.salesforce.com for sandboxes. */
    readonly audience?: string
  }
  /** The API name: Lead, Contact, My_Object__c. */
  readonly object?: string
  /** What says that it is the same record: a field that is marked External ID. */
  readonly externalId?: {
    readonly field?: string
    readonly value?: string
  }
  /** Field of the object → Mustache over data, form, response, event, meta; or {value, type}. */
  readonly fields: { readonly [name: string]: string | {
      readonly value: string
      /** Default: text. */
      readonly type?: 'text' | 'number' | 'boolean' | 'date' | 'datetime' | 'picklist' | 'multipicklist'
      /** Longer text is cut here instead of being refused. */
      readonly maxLength?: number
      /** Without an answer the field is emptied; else it is left as it is. */
      readonly clear?: boolean
    } }
  readonly apiVersion?: string
  /** Assignment rules: none, the active one, or the one with this id. They run at every repeat as well. */
  readonly autoAssign?: boolean | string
  /** What to do where a duplicate rule alerts: a dead letter, or save all the same. Rules that block always block. */
  readonly duplicateRules?: 'refuse' | 'allow'
  /** Records a call. Fewer where triggers and flows make Salesforce take more than 15 s. */
  readonly batchSize?: number
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {}
  readonly actions: {
    readonly upsert: { readonly input: Json; readonly data: 'data' | 'form' | 'response' | 'meta' }
  }
  readonly schedules: never
  readonly routes: never
  readonly check: true
}

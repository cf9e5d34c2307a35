/** Made from plugin.json by `manifold plugin types`; changes are made there. */
import type { Json, SecretRef } from 'manifold/plugin'

/** The settings as the code sees them: defaults filled in, secrets sealed. */
export interface Config {
  /** The URL of an incoming webhook. It fixes the channel. Instead of token and channel. */
  readonly webhookUrl?: SecretRef
  /** A bot token (xoxb-...) with the scope chat:write. Needs channel. */
  readonly token?: SecretRef
  /** Where to post with a token: the id of a channel (C...), or a template that makes it, such as {{data.channel}}. */
  readonly channel?: string
  /** With a token: the ts of the message to answer in its thread, or a template that makes it. Empty: no thread. */
  readonly threadTs?: string
  /** Mustache in Slack's mrkdwn; answers are escaped. Beside blocks it is what notifications and screen readers get. */
  readonly text: string
  /** Block Kit, with mustache in its strings. In mrkdwn answers are escaped, in plain_text they stand as they are. */
  readonly blocks?: readonly { readonly [name: string]: Json }[]
  /** Whether Slack shows previews of links. */
  readonly unfurl: boolean
  /** What to do with a message that may have been posted (no answer, a crash): post it again, or never twice and make it a dead letter. */
  readonly delivery: 'at-least-once' | 'at-most-once'
  /** Messages a second for each channel. Slack takes about one. */
  readonly messagesPerS: number
  /** One message for all responses of a while instead of one each. */
  readonly digest?: {
    readonly everyMinutes: number
    /** How many responses are shown. */
    readonly lines: number
    readonly title: string
    readonly line: string
  }
  /** Of GovSlack: https://slack-gov.com/api/. */
  readonly apiUrl: string
}

/** The settings as an admin writes them. */
export interface Settings {
  /** The URL of an incoming webhook. It fixes the channel. Instead of token and channel. */
  readonly webhookUrl?: string
  /** A bot token (xoxb-...) with the scope chat:write. Needs channel. */
  readonly token?: string
  /** Where to post with a token: the id of a channel (C...), or a template that makes it, such as {{data.channel}}. */
  readonly channel?: string
  /** With a token: the ts of the message to answer in its thread, or a template that makes it. Empty: no thread. */
  readonly threadTs?: string
  /** Mustache in Slack's mrkdwn; answers are escaped. Beside blocks it is what notifications and screen readers get. */
  readonly text?: string
  /** Block Kit, with mustache in its strings. In mrkdwn answers are escaped, in plain_text they stand as they are. */
  readonly blocks?: readonly { readonly [name: string]: Json }[]
  /** Whether Slack shows previews of links. */
  readonly unfurl?: boolean
  /** What to do with a message that may have been posted (no answer, a crash): post it again, or never twice and make it a dead letter. */
  readonly delivery?: 'at-least-once' | 'at-most-once'
  /** Messages a second for each channel. Slack takes about one. */
  readonly messagesPerS?: number
  /** One message for all responses of a while instead of one each. */
  readonly digest?: {
    readonly everyMinutes: number
    /** How many responses are shown. */
    readonly lines?: number
    readonly title?: string
    readonly line?: string
  }
  /** Of GovSlack: https://slack-gov.com/api/. */
  readonly apiUrl?: string
}

/** For `definePlugin<Plugin>`. */
export interface Plugin {
  readonly config: Config
  readonly on: {
    readonly 'response.submitted': 'data' | 'form' | 'response' | 'meta'
  }
  readonly actions: {
    readonly post: { readonly input: {
      /** Null: the webhook's own. */
      readonly channel: string | null
      readonly digest?: {
        readonly count: number
        readonly responses: readonly string[]
      }
    }; readonly data: 'data' | 'form' | 'response' | 'meta' }
    readonly 'post-once': { readonly input: {
      readonly channel: string | null
      readonly digest?: {
        readonly count: number
        readonly responses: readonly string[]
      }
    }; readonly data: 'data' | 'form' | 'response' | 'meta' }
    readonly collect: { readonly input: Json; readonly data: never }
  }
  readonly schedules: never
  readonly routes: never
  readonly check: true
}

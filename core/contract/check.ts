/** What a plugin's `check` finds out about its own settings. */

/** One thing that an admin should know. */
export interface Finding {
  /** `error`: it cannot work like this; `warning`: it may not, or could not be looked at; `info`: what was seen. */
  readonly level: 'error' | 'warning' | 'info'
  /** What is wrong, where, and what to do. */
  readonly message: string
  /** The setting it is about: a JSON pointer (RFC 6901) into the installation's `with`, such as `/sheet/id`. */
  readonly at?: string
}

/** What a look at something found out, for whoever runs `manifold doctor`. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail'
  /** Never holds a password. */
  readonly detail: string
  /** A command or a deed; null when all is well. */
  readonly fix: string | null
}

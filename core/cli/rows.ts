/** Wire shapes of lists, as far as commands show them. */

export interface InstallationRow {
  readonly id: string
  readonly plugin: string
  readonly state: string
  readonly reason: string | null
  readonly lag: number
  readonly last_success_at: string | null
  readonly deliveries: {
    readonly pending: number
    readonly retrying: number
    readonly dead: number
    readonly delivered: number
  }
}

export interface DeliveryRow {
  readonly id: string
  readonly installation: string
  readonly name: string
  readonly kind: string
  readonly state: string
  readonly attempts: number
  readonly created_at: string
  readonly due_at: string | null
  readonly reason: string | null
  readonly error: string | null
}

export interface AttemptRow {
  readonly n: number
  readonly at: string
  readonly duration_ms: number
  readonly outcome: string
  readonly error: string | null
  readonly exchanges: readonly {
    readonly method: string
    readonly url: string
    readonly status: number | null
    readonly error: string | null
    readonly response_body: string | null
  }[]
  readonly logs: readonly { readonly level: string; readonly message: string }[]
}

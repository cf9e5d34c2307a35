/** What a plugin's check came to, as it is kept. */
import type { Finding } from './contract/index.ts'

/** `code`: the check itself failed with this error. */
export interface CheckFinding extends Finding {
  readonly code?: string
}

/** The end of a check. */
export interface Checked {
  readonly at: string
  /** Of the settings that were checked. */
  readonly hash: string
  readonly findings: readonly CheckFinding[]
}

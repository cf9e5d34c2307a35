/** What a transform says of a response before it is stored. */
import type { Json } from './json.ts'

/** What is different from now on. The form is asked again: what it does not take is a failure of the transform. */
export interface Changes {
  /** Answers by field: new ones and others; null takes one away. Only of fields that the transform can see. */
  readonly data?: { readonly [key: string]: Json }
  /** Added to `meta`; null takes a key away. `ip`, `user_agent` and `referrer` only by transforms that are shown `meta`. */
  readonly meta?: { readonly [key: string]: Json }
}

/** Make one with `keep`, `flag` or `reject`. */
export type Verdict =
  | ({ readonly verdict: 'keep' } & Changes)
  | { readonly verdict: 'flag'; readonly reason: string }
  | { readonly verdict: 'reject'; readonly code: string; readonly message: string }

/** Store it, with these changes. */
export const keep = (changes: Changes = {}): Verdict => ({ verdict: 'keep', ...changes })

/** Put it into quarantine. The sender gets the ordinary answer and learns nothing. `reason`: for whoever looks at it. */
export const flag = (reason: string): Verdict => ({ verdict: 'flag', reason })

/**
 * Put it into quarantine and refuse it: the sender gets 422 `response_rejected` with this message. `code`: lower-case
 * letters, digits and "_", such as `blocked_domain`; for whoever looks at it.
 */
export const reject = (code: string, message: string): Verdict => ({ verdict: 'reject', code, message })

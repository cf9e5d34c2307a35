/** E-mail in the contract: what an action may send, what a mail server said to it, and what that comes to. */
import type { FinalOutcome } from './outcome.ts'

/**
 * One e-mail to one person. `From` is the hub's own and `Message-ID` is made of the delivery's id, so every attempt and
 * replay of a delivery is the same message.
 */
export interface EmailMessage {
  /** One bare address, `ada@example.com`, that `permissions.email.to` of the manifest leads to. */
  readonly to: string
  /** One line. */
  readonly subject: string
  readonly text: string
  /** Shown instead of `text` where it can be. */
  readonly html?: string
  /** Left out where it is no address that e-mail can be sent to, since an answer may stand here. */
  readonly replyTo?: string
  /** Of `x-…`, `in-reply-to`, `references`, `list-id`, `list-unsubscribe` and `list-unsubscribe-post`; one line each. */
  readonly headers?: { readonly [name: string]: string }
}

/** What the mail server said. Where it could not be asked at all, `ctx.email` throws. */
export interface EmailAnswer {
  /** Null: the message had left when the connection broke; it may have been taken. */
  readonly accepted: boolean | null
  /** SMTP reply code; 0 where there was no answer. */
  readonly code: number
  readonly response: string
}

/** Policy and permission (RFC 3463, 3.8): the server may know the recipient, but takes this from nobody, or not from the hub. */
const DENIED = /^5\d\d[ -]5\.7\.\d/

/**
 * Taken is delivered; 4xx (greylisted, full for now) is tried again; 5xx is dead, as `email_denied` where the server says that
 * the hub may not send this; no answer is ambiguous.
 */
export function classifyEmail({ accepted, code, response }: EmailAnswer): FinalOutcome {
  if (accepted === true) return { outcome: 'delivered' }
  if (accepted === null) return { outcome: 'ambiguous', reason: response }
  const said = `The mail server answered ${response}`
  if (code < 500) return { outcome: 'retry', reason: said, code: `smtp_${code}` }
  return { outcome: 'dead', code: DENIED.test(response) ? 'email_denied' : `smtp_${code}`, message: said }
}

/** What went wrong with a mail server: an answer to the message, or no answer in the words of the error table. */
import type { EmailAnswer } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Mask } from './mask.ts'

/** As nodemailer marks its errors. */
interface SmtpError {
  readonly code?: string
  readonly responseCode?: number
  readonly response?: string
  /** What the server answered: `MAIL FROM`, `RCPT TO`, `DATA`, `AUTH ...`. */
  readonly command?: string
  readonly message: string
}

const TOO_LARGE = 552
const PERMANENT = 500
/** Replies that are about the login, whatever they answer (RFC 4954, section 6). */
const OF_THE_LOGIN: ReadonlySet<number> = new Set([530, 534, 535, 538])
/** Of a sender: policy, and an address that is none of the server's (RFC 3463, 3.2 and 3.8). */
const OF_THE_SENDER = /^5\d\d[ -]5\.(?:7\.\d+|1\.[78])\b/

/** As Node says it of a chain that ends at nobody it knows; a name or a date that is wrong says so by itself. */
const UNTRUSTED = /self-signed certificate|unable to (verify the first|get (local )?issuer) certificate/i
const OF_AN_OWN_CA =
  'Where a CA of your own signs: start the hub with NODE_EXTRA_CA_CERTS=<file with its certificate as PEM>.'

/** The hub may not send through this server at all, whoever the message is for. */
const isOfTheHub = ({ code, responseCode, response, command }: SmtpError): boolean =>
  // 4xx: the server cannot look the login up right now.
  (code === 'EAUTH' && (responseCode === undefined || responseCode >= PERMANENT)) ||
  (responseCode !== undefined && OF_THE_LOGIN.has(responseCode)) ||
  (command === 'MAIL FROM' && OF_THE_SENDER.test(response ?? ''))

/**
 * For errors of a session that was open: what the server said to the message. `wasSent`: all of the message had left, so
 * that the server may have taken it although it did not say so. Null: the message never got that far, or what was said is no
 * matter of this message.
 */
export function answerOf(error: unknown, { wasSent }: { wasSent: boolean }): EmailAnswer | null {
  const { code, responseCode, response, message } = error as SmtpError
  if (isOfTheHub(error as SmtpError)) return null
  if (responseCode !== undefined) return { accepted: false, code: responseCode, response: response ?? message }
  // By the size that the server names beforehand.
  if (code === 'EMESSAGE') return { accepted: false, code: TOO_LARGE, response: message }
  if (!wasSent) return null
  return { accepted: null, code: 0, response: 'The connection broke before the mail server answered the message.' }
}

/** Everything else; a HubError passes unchanged. */
export function asMailError(
  error: unknown,
  { host, isLate, mask }: { readonly host: string; readonly isLate: boolean; readonly mask: Mask },
): HubError {
  if (error instanceof HubError) return error
  const { code, command, message, responseCode } = error as SmtpError
  const told = mask(message)
  if (isLate || code === 'ETIMEDOUT')
    return new HubError('email_timeout', `The mail server ${host} did not answer in time (${told}).`, { cause: error })
  if (isOfTheHub(error as SmtpError))
    return new HubError('email_auth', `The mail server ${host} does not let the hub send (${told}).`, { cause: error })
  if (command === 'STARTTLS' && (responseCode ?? 0) >= PERMANENT) {
    const advice =
      'Where it offers no TLS at all, and on this machine or a line that you trust, write tls: none below email.'
    return new HubError(
      'email_connect',
      `The mail server ${host} was reached and refuses STARTTLS (${told}). ${advice}`,
      {
        cause: error,
      },
    )
  }
  if (UNTRUSTED.test(message)) {
    const sentence = `The mail server ${host} was reached, and the hub does not trust its certificate (${told}).`
    return new HubError('email_connect', `${sentence} ${OF_AN_OWN_CA}`, { cause: error })
  }
  return new HubError('email_connect', `The mail server ${host} cannot be reached (${told}).`, { cause: error })
}

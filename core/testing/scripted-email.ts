/** The mail server as a test writes it: every e-mail as it would have left, and what the server says to it. */
import type { OutgoingEmail } from '../capabilities/email-message.ts'
import type { MailServer } from '../capabilities/mail-server.ts'
import type { MailSettings } from '../config/config.ts'
import { HubError } from '../errors.ts'

/** An e-mail that left. `from` is the hub's: `Test hub <hub@manifold.example>`. */
export interface SentEmail extends Omit<OutgoingEmail, 'from'> {
  readonly from: string
}

/**
 * What the server says. A number is the reply code: 250 took it, 450 wants it later, 550 does not want it. `lost`: the
 * connection broke when the message had left. `error`: it did not leave.
 */
export type EmailReply =
  | number
  | { readonly code: number; readonly response: string }
  | 'lost'
  | { readonly error: 'email_connect' | 'email_timeout' | 'email_auth' }

export interface ScriptedEmail {
  /** From now on; a list is used up in order, its last stays. At first everything is taken. */
  answer(reply: EmailReply | readonly EmailReply[]): void
  /** In the order sent, also those that the server did not want. */
  readonly sent: readonly SentEmail[]
  /** Forgets what was sent; the reply stays. */
  forget(): void
}

const OK = 250
const REFUSED_MIN = 400
/** What the hub around a plugin under test goes by. */
export const SCRIPTED_MAIL: MailSettings = {
  host: 'mail.manifold.example',
  port: 587,
  tls: 'starttls',
  user: null,
  password: null,
  from: { name: 'Test hub', address: 'hub@manifold.example' },
}

/** The mail server of a test, and the test's hand on it. */
export function createScriptedEmail(): { readonly mail: MailServer; readonly script: ScriptedEmail } {
  let replies: readonly EmailReply[] = [OK]
  let turn = 0
  const sent: SentEmail[] = []
  return {
    mail: {
      settings: () => SCRIPTED_MAIL,
      send: async ({ email, begins }) => {
        begins()
        sent.push({ ...email, from: `${email.from.name} <${email.from.address}>` })
        const reply = replies[Math.min(turn++, replies.length - 1)] ?? OK
        if (reply === 'lost') return { accepted: null, code: 0, response: 'The test says that no answer came.' }
        if (typeof reply === 'object' && 'error' in reply) throw new HubError(reply.error, 'The test says so.')
        const { code, response } =
          typeof reply === 'number' ? { code: reply, response: `${reply} says the test` } : reply
        return { accepted: code < REFUSED_MIN, code, response }
      },
      configure: () => {},
      close: () => {},
    },
    script: {
      answer: (next) => {
        replies = Array.isArray(next) ? (next as readonly EmailReply[]) : [next as EmailReply]
        turn = 0
      },
      sent,
      forget: () => void (sent.length = 0),
    },
  }
}

/**
 * The hub's mail server, spoken to over a few connections that are kept for a while. The address is checked as for HTTP,
 * TLS is verified, every phase has an end, and an answer that never came is told apart from a message that never left.
 */
import type { MailSettings } from '../config/config.ts'
import type { EmailAnswer } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { addressPolicy } from './addresses.ts'
import type { OutgoingEmail } from './email-message.ts'
import { systemResolve, type Resolve } from './guard-connector.ts'
import { lazily, openMailSession } from './mail-session.ts'
import { createMailSessions } from './mail-sessions.ts'
import { createTurns } from './mail-turns.ts'
import { createMask } from './mask.ts'
import { answerOf, asMailError } from './smtp-errors.ts'

/** One message on its way. */
export interface MailOrder {
  readonly email: OutgoingEmail
  readonly bytes: Buffer
  /** So long it may wait in line; what had no turn by then ends as `plugin_interrupted`, and nothing of it was sent. */
  readonly lineMs: number
  /**
   * Its turn has come, and from now on something of it may leave. Answers how long all of it may take: connecting, sending,
   * the answer. What it throws ends the sending.
   */
  readonly begins: () => number
}

export interface MailServer {
  /** Null: this hub sends no e-mail. */
  settings(): MailSettings | null
  /** What the server said. Rejects with `email_*`, `http_refused_address`, `config_invalid` or `plugin_interrupted`. */
  send(order: MailOrder): Promise<EmailAnswer>
  /** From the next message on; connections of before are closed as they end. */
  configure(settings: MailSettings | null, allow: readonly string[]): void
  /** Ends everything under way. */
  close(): void
}

export interface MailServerOptions {
  readonly settings: MailSettings | null
  /** CIDRs that may be reached although private. */
  readonly allow: readonly string[]
  readonly limits: Pick<Limits, 'emailConnectTimeoutMs' | 'emailConnectionsMax' | 'emailIdleMs'>
  readonly resolve?: Resolve
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca?: string
}

/** "I am closing the connection": what a server says to one that was silent for long. */
const CLOSING = 421
const TAKEN = 250

/** Nothing is connected before the first message. */
export function createMailServer(options: MailServerOptions): MailServer {
  const { limits, resolve = systemResolve(), ca } = options
  let { settings, allow } = options
  let policy = addressPolicy(allow, { anyPort: true })
  const turns = createTurns(limits.emailConnectionsMax)
  const sessions = createMailSessions(limits.emailIdleMs)

  /** Over a connection that was kept, once more over a new one if it had been closed meanwhile. */
  const transact = async (wanted: MailSettings, order: MailOrder, signal: AbortSignal): Promise<EmailAnswer> => {
    const kept = sessions.takeIdle()
    const timeoutMs = limits.emailConnectTimeoutMs
    const session =
      kept ??
      (await sessions.add((onEnd) =>
        openMailSession({ settings: wanted, policy, resolve, ca, timeoutMs, signal }, onEnd),
      ))
    const message = lazily(order.bytes)
    try {
      const envelope = { from: order.email.from.address, to: [order.email.to] }
      const response = await session.send(envelope, message, signal)
      sessions.keep(session, settings)
      return { accepted: true, code: Number(response.slice(0, 3)) || TAKEN, response }
    } catch (error) {
      sessions.drop(session)
      const answer = answerOf(error, { wasSent: message.readableEnded })
      const wasClosed = answer === null || answer.code === CLOSING
      if (kept !== undefined && wasClosed && !message.readableDidRead && !signal.aborted)
        return await transact(wanted, order, signal)
      if (answer !== null) return answer
      throw error
    }
  }

  return {
    settings: () => settings,
    async send(order) {
      const wanted = settings
      if (wanted === null) throw unconfigured()
      const done = await turns.take(ends(order.lineMs)).catch(() => {
        throw noTurn(wanted.host)
      })
      try {
        const signal = ends(order.begins())
        const mask = createMask([wanted.password ?? ''])
        try {
          const answer = await transact(wanted, order, signal)
          return { ...answer, response: mask(answer.response) }
        } catch (error) {
          throw asMailError(error, { host: wanted.host, isLate: signal.aborted, mask })
        }
      } finally {
        done()
      }
    },
    configure(next, allowed) {
      if (JSON.stringify([next, allowed]) === JSON.stringify([settings, allow])) return
      settings = next
      allow = allowed
      policy = addressPolicy(allow, { anyPort: true })
      sessions.leaveIdle()
    },
    close() {
      settings = null
      sessions.close()
    },
  }
}

const ends = (afterMs: number): AbortSignal => AbortSignal.timeout(Math.max(1, Math.ceil(afterMs)))

/** No fault of the message or of the server: the delivery of a run that has begun nothing is next again, uncounted. */
const noTurn = (host: string): HubError =>
  new HubError(
    'plugin_interrupted',
    `Every connection to the mail server ${host} was in use; the e-mail is for another run.`,
  )

export const unconfigured = (): HubError =>
  new HubError(
    'config_invalid',
    'This hub sends no e-mail: manifold.yaml names no mail server (email.url, email.from).',
  )

/**
 * E-mail in the storm: survey answers by the hundred to two admins, a mail server that greylists, hangs up and forgets to
 * answer, and a hub that is killed meanwhile. Each response is there for the one who can be written to, a repeat is the same
 * message, and for the other one each is a dead letter that says why.
 */
import { expect, test } from 'vitest'
import { startMailReceiver } from '../support/mail-receiver.ts'
import type { MailBehaviour, MailReply } from '../support/mail-receiver.ts'
import { openStorm, SURVEY } from '../support/storm.ts'

/** Thousands by hand (`MANIFOLD_STORM_RESPONSES`). */
const RESPONSES = Number(process.env['MANIFOLD_STORM_RESPONSES'] ?? 120)
/** Thousands take minutes, most of which a hub that was just killed needs to start. */
const IS_LONG = RESPONSES > 1_000
const CONCURRENCY = IS_LONG ? 16 : 4
const ADMIN = 'ann@acme.example'
const GONE = 'gone@acme.example'
const KEY = /\[(r\d+)\]/

const later = (code: number, text: string): MailReply => ({ code, text })
/** One message in eight; silence is rare, since each costs a connection for as long as the hub waits. */
const TROUBLES: readonly MailBehaviour[] = [
  { from: later(421, '4.3.2 closing') },
  { from: 'drop' },
  { to: later(451, '4.7.1 greylisted') },
  { to: later(452, '4.2.2 full for now') },
  { to: 'drop' },
  // Taken, and nobody says so.
  { data: 'drop' },
  { data: 'drop' },
]
const TROUBLE_SHARE = 0.125
const SILENCE_SHARE = 0.003
/** More than ever come: what is left of a list stays. */
const MESSAGES_MAX = RESPONSES * 20

function troubleNow(): MailBehaviour {
  const dice = Math.random()
  if (dice < SILENCE_SHARE) return { data: 'hang' }
  return dice < TROUBLE_SHARE ? (TROUBLES[Math.floor(Math.random() * TROUBLES.length)] ?? {}) : {}
}

test(
  'every response is there for who can be written to, and a repeat is the same message',
  { timeout: IS_LONG ? 1_200_000 : 600_000 },
  async () => {
    // The mail server is up before the storm; it gets its ledger from it.
    const vendor: { keeps?: (key: string) => void } = {}
    let unsure = 0
    await using mail = await startMailReceiver({
      // A handshake after every refusal is what would take the time.
      tls: 'none',
      onMail: ({ headers }) => vendor.keeps?.(KEY.exec(headers['subject'] ?? '')?.[1] ?? 'without a key'),
    })
    mail.respond(
      Array.from({ length: MESSAGES_MAX }, () => {
        const { to, ...trouble } = troubleNow()
        return {
          ...trouble,
          to: (address: string) => {
            if (address === GONE) return { code: 550, text: '5.1.1 no such user' }
            if (trouble.data !== undefined) unsure += 1
            return to as MailReply | undefined
          },
        }
      }),
    )
    await using blown = await openStorm({
      installation: {
        id: 'mail',
        use: 'email',
        when: { form: SURVEY },
        concurrency: CONCURRENCY,
        with: { to: [ADMIN, GONE], subject: '[{{data.key}}] {{data.main_dish}}' },
        retry: { schedule: ['100ms', '200ms', '500ms', '1s', '2s', '4s', '4s', '4s'] },
      },
      responses: RESPONSES,
      killEveryMs: IS_LONG ? [4_000, 8_000] : [2_000, 4_000],
      limits: { breakerFailuresMax: 1_000, emailTimeoutMs: 2_000 },
      config: {
        network: { allow: ['127.0.0.0/8', '::1/128'] },
        email: { url: `smtp://localhost:${mail.port}`, from: 'Forms <forms@example.org>', tls: 'none' },
      },
    })
    vendor.keeps = (key) => blown.ledger.received(key)
    const { kills, account, dead } = await blown.blow()
    expect(kills).toBeGreaterThan(0)
    expect(account).toMatchObject({
      sent: RESPONSES,
      acknowledged: RESPONSES,
      lost: [],
      invented: [],
      storedTwice: [],
      undelivered: [],
      unaccounted: [],
      idChanged: [],
    })
    expect(new Set(mail.mails.map(({ to }) => to.join()))).toEqual(new Set([ADMIN]))
    expect(dead.map(({ error_code }) => error_code)).toEqual(Array.from({ length: RESPONSES }, () => 'smtp_550'))
    // What came twice was left open by the server, or was under way when the hub was killed; to whoever looks it is one.
    const repeats = mail.mails.length - RESPONSES
    expect(repeats).toBeLessThanOrEqual(unsure + kills * CONCURRENCY)
    expect(new Set(mail.mails.map(({ headers }) => headers['message-id'])).size).toBe(RESPONSES)
  },
)

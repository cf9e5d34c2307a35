/** From what a plugin handed to `ctx.email` to the bytes of a message. Nothing in it can become another header or recipient. */
import { createHash } from 'node:crypto'
import MailComposer from 'nodemailer/lib/mail-composer'
import type { MailSettings } from '../config/config.ts'
import type { Args } from './arguments.ts'
import { mailAddress } from './mail-address.ts'

/** What is sent, checked. */
export interface OutgoingEmail {
  /** With its angle brackets. */
  readonly messageId: string
  readonly from: MailSettings['from']
  readonly to: string
  readonly replyTo: string | null
  readonly subject: string
  readonly text: string
  readonly html: string | null
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

/** Everything else says who sends what to whom, which is the hub's business. */
const FREE_HEADER = /^(?:x-[a-z0-9-]{1,60}|in-reply-to|references|list-id|list-unsubscribe|list-unsubscribe-post)$/
/** 128 bits; with what the composer puts around it, below the 70 that RFC 2046 allows. */
const BOUNDARY_CHARS = 32
/** Line ends of every kind, and what else moves the cursor. */
const NOT_ONE_LINE = /[\p{Cc}\u2028\u2029]/u

/** The message of this delivery. Throws `capability_input`. */
export function emailOf(
  args: Args,
  { deliveryId, from }: { deliveryId: string; from: MailSettings['from'] },
): OutgoingEmail {
  const to = addressAt(args, 'to')
  if (to === null) throw args.wrong('to is missing')
  const subject = line(args, 'subject', args.text('subject'))
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(args.optionalObject('headers') ?? {})) {
    const lower = name.toLowerCase()
    if (!FREE_HEADER.test(lower)) throw args.wrong(`the header ${JSON.stringify(name)} cannot be given`)
    if (Object.hasOwn(headers, lower)) throw args.wrong(`the header ${JSON.stringify(name)} is given twice`)
    headers[lower] = line(args, `the header ${JSON.stringify(name)}`, value)
  }
  return {
    messageId: `<${deliveryId}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
    from,
    to,
    replyTo: addressAt(args, 'replyTo'),
    subject,
    text: args.text('text').toWellFormed(),
    html: args.optionalText('html')?.toWellFormed() ?? null,
    headers,
  }
}

/** The bytes: the same for every attempt, but for the date. */
export function emailBytes(email: OutgoingEmail): Promise<Buffer> {
  const { messageId, from, to, replyTo, subject, text, html, headers } = email
  const composer = new MailComposer({
    messageId,
    // Written to while the headers are made.
    from: { ...from },
    to: { name: '', address: to },
    ...(replyTo === null ? {} : { replyTo: { name: '', address: replyTo } }),
    subject,
    text,
    ...(html === null ? {} : { html }),
    // So that vacation notices and other hubs leave it alone (RFC 3834).
    headers: { ...headers, 'auto-submitted': 'auto-generated' },
    // The id itself may hold what no boundary may, and be longer.
    baseBoundary: createHash('sha256').update(messageId).digest('hex').slice(0, BOUNDARY_CHARS),
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return composer.compile().build()
}

function addressAt(args: Args, name: 'to' | 'replyTo'): string | null {
  const text = args.optionalText(name)
  if (text === undefined) return null
  const address = mailAddress(text)
  if (address === null) throw args.wrong(`${name} has to be one bare address, such as ada@example.com`)
  return address
}

function line(args: Args, what: string, value: unknown): string {
  if (typeof value !== 'string') throw args.wrong(`${what} has to be text`)
  if (NOT_ONE_LINE.test(value)) throw args.wrong(`${what} has a line end or a control character`)
  return value.toWellFormed()
}

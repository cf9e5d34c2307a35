/** `email:` of the file: the URL of a mail server and who the e-mail is from, taken apart. What stands in the URL is secret. */
import { createHash } from 'node:crypto'
import { mailAddress } from '../capabilities/mail-address.ts'
import type { MailSettings } from './config.ts'

/** Never repeats the URL. */
export const MAIL_URL_HELP =
  'must be a URL such as smtp://user:password@mail.example.org:587 or smtps://mail.example.org'

const OWN_PORTS: Readonly<Record<string, number>> = { 'smtp:': 587, 'smtps:': 465 }

type Server = Omit<MailSettings, 'from'>

/** Null for what is no such URL, and for one with only half a login, a path or a query. */
export function parseMailUrl(text: string): Server | null {
  const url = URL.parse(text)
  const ownPort = url === null ? undefined : OWN_PORTS[url.protocol]
  if (url === null || ownPort === undefined || url.hostname === '' || url.port === '0') return null
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') return null
  const [user, password] = [decoded(url.username), decoded(url.password)]
  if (user === undefined || password === undefined || (user === '') !== (password === '')) return null
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? ownPort : Number(url.port),
    tls: url.protocol === 'smtps:' ? 'implicit' : 'starttls',
    user: user === '' ? null : user,
    password: password === '' ? null : password,
  }
}

/** True for what may be spoken to in the clear: nothing in it is secret. */
export function isOpen(text: string): boolean {
  const server = parseMailUrl(text)
  return server !== null && server.user === null && server.tls === 'starttls'
}

/** `forms@example.org`, or `Forms <forms@example.org>`; null for anything else. */
export function parseFrom(text: string): MailSettings['from'] | null {
  const [, name = '', bracketed] = /^([^<>\p{Cc}]*)<([^<>]*)>$/u.exec(text.trim()) ?? []
  const address = bracketed ?? text.trim()
  return mailAddress(address) !== null ? { name: name.trim().replace(/^"(.*)"$/, '$1'), address } : null
}

/** What the hub runs on; the parts were checked. */
export const mailSettings = (checked: { url: string; from: string; tls?: 'required' | 'none' | undefined }) => {
  const server = parseMailUrl(checked.url) as Server
  const from = parseFrom(checked.from) as MailSettings['from']
  return { ...server, ...(checked.tls === 'none' ? { tls: 'none' as const } : {}), from } satisfies MailSettings
}

/** Tells one mail server, or login, from another, and gives neither away. */
export const mailPrint = (settings: MailSettings | null): string =>
  createHash('sha256').update(JSON.stringify(settings)).digest('hex')

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

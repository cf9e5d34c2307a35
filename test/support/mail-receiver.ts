/** A mail server that keeps what comes and misbehaves as told: replies at each step, silence, hanging up after the message. */
import { readFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { until } from './wait.ts'
import type { UntilOptions } from './wait.ts'

export interface ReceivedMail {
  readonly from: string
  readonly to: readonly string[]
  /** Header names in lower case, folded lines joined. */
  readonly headers: Readonly<Record<string, string>>
  /** Header lines as they came, to count them. */
  readonly headerNames: readonly string[]
  readonly body: string
  readonly raw: string
  readonly secure: boolean
  readonly user: string | null
  /** Counts connections: two mails with the same came over the same one. */
  readonly connection: string
}

/** What a step answers. `hang`: nothing; `drop`: closes the connection. */
export type MailReply = { readonly code: number; readonly text: string } | 'hang' | 'drop'

export interface MailBehaviour {
  readonly connect?: MailReply
  readonly from?: MailReply
  readonly to?: MailReply | ((address: string) => MailReply | undefined)
  /** After the whole message has come. */
  readonly data?: MailReply
}

export interface MailReceiverOptions {
  /** `none`: offers no TLS; `implicit`: speaks it from the first byte. Default: STARTTLS with the certificate of `TLS_CA`. */
  readonly tls?: 'starttls' | 'implicit' | 'none'
  readonly login?: { readonly user: string; readonly password: string }
  /** Told of each mail that has come, before its answer leaves. */
  readonly onMail?: (mail: ReceivedMail) => void
}

export interface MailReceiver extends AsyncDisposable {
  readonly port: number
  readonly mails: readonly ReceivedMail[]
  readonly connections: number
  /** Connections that are open now. */
  readonly open: number
  /** Most messages that were under way at one time. */
  readonly concurrencyMax: number
  /** From now on; a list is used up message by message, taken or not; its last stays. */
  respond(how: MailBehaviour | readonly MailBehaviour[]): void
  received(count: number, options?: UntilOptions): Promise<readonly ReceivedMail[]>
  /** Hangs up on everybody, as servers do with those who say nothing. */
  hangUp(): void
}

const at = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8')

/** Self-signed, for `localhost` only. */
export const TLS_CA = at('localhost.crt')
export const TLS_CA_FILE = new URL('../fixtures/tls/localhost.crt', import.meta.url).pathname

/** `await using mail = await startMailReceiver()`; takes everything until told otherwise. */
export async function startMailReceiver({
  tls = 'starttls',
  login,
  onMail,
}: MailReceiverOptions = {}): Promise<MailReceiver> {
  const mails: ReceivedMail[] = []
  const sockets = new Set<Socket>()
  let plan: readonly MailBehaviour[] = [{}]
  let connections = 0
  let underWay = 0
  let underWayMax = 0
  const now = (): MailBehaviour => plan[0] ?? {}
  const next = (): void => {
    if (plan.length > 1) plan = plan.slice(1)
  }
  const answer = (reply: MailReply | undefined, done: (error?: Error | null) => void, sessionPort: number): void => {
    if (reply === undefined) return done()
    next()
    if (reply === 'hang') return
    if (reply === 'drop') {
      for (const socket of sockets) if (socket.remotePort === sessionPort) socket.destroy()
      return
    }
    done(Object.assign(new Error(reply.text), { responseCode: reply.code }))
  }
  const server = new SMTPServer({
    secure: tls === 'implicit',
    hideSTARTTLS: tls !== 'starttls',
    disabledCommands: tls === 'starttls' ? [] : ['STARTTLS'],
    authOptional: login === undefined,
    allowInsecureAuth: tls === 'none',
    key: at('localhost.key'),
    cert: TLS_CA,
    logger: false,
    disableReverseLookup: true,
    onAuth: ({ username, password }, _session, done) =>
      username === login?.user && password === login?.password
        ? done(null, { user: username })
        : done(Object.assign(new Error('Invalid login'), { responseCode: 535 })),
    onConnect: (session, done) => answer(now().connect, done, session.remotePort),
    onMailFrom: (_address, session, done) => {
      underWayMax = Math.max(underWayMax, ++underWay)
      answer(now().from, done, session.remotePort)
    },
    onRcptTo: ({ address }, session, done) => {
      const { to } = now()
      answer(typeof to === 'function' ? to(address) : to, done, session.remotePort)
    },
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        underWay -= 1
        const { mailFrom, rcptTo } = session.envelope
        const mail: ReceivedMail = {
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          ...parsed(Buffer.concat(chunks).toString()),
          secure: session.secure,
          user: (session.user as string | undefined) ?? null,
          connection: session.id,
        }
        mails.push(mail)
        onMail?.(mail)
        const { data } = now()
        if (data === undefined) next()
        answer(data, done, session.remotePort)
      })
    },
  })
  server.on('error', () => {})
  server.server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    get connections() {
      return connections
    },
    get open() {
      return server.connections.size
    },
    get concurrencyMax() {
      return underWayMax
    },
    respond: (how) => {
      plan = Array.isArray(how) ? (how as readonly MailBehaviour[]) : [how as MailBehaviour]
    },
    received: (count, options) =>
      until(`${count} mails`, () => mails, { ...options, accept: (all) => all.length >= count }),
    hangUp: () => {
      for (const socket of sockets) socket.destroy()
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function parsed(raw: string): Pick<ReceivedMail, 'headers' | 'headerNames' | 'body' | 'raw'> {
  const end = raw.indexOf('\r\n\r\n')
  const lines = raw
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
  const pairs = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
  })
  return { headers: Object.fromEntries(pairs), headerNames: pairs.map(([name]) => name), body: raw.slice(end + 4), raw }
}

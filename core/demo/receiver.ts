/** The demo's webhook receiver: a server on a free loopback port that checks signatures like a customer would, and counts. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

const BODY_BYTES_MAX = 1_048_576
const STANDARD_PREFIX = 'whsec_'

export interface DemoReceiver {
  readonly url: string
  /** What the installation signs with; made anew at each start. */
  readonly secret: string
  /** `delivered`: different `webhook-id`s; `verified`: of those, with a good signature. */
  readonly counts: { readonly delivered: number; readonly verified: number }
  close(): Promise<void>
}

/** Started before the hub, because the hub's configuration names its address. */
export async function startDemoReceiver(): Promise<DemoReceiver> {
  const secret = STANDARD_PREFIX + randomBytes(24).toString('base64')
  const delivered = new Set<string>()
  const verified = new Set<string>()
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        const id = String(request.headers['webhook-id'] ?? '')
        delivered.add(id)
        const good = isSigned(body, request.headers, secret)
        if (good) verified.add(id)
        response.writeHead(good ? 204 : 401).end()
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/survey-hook`,
    secret,
    counts: {
      get delivered() {
        return delivered.size
      },
      get verified() {
        return verified.size
      },
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new Error('too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Both signatures the installation sends, each checked over the exact bytes as its description says. */
function isSigned(body: Buffer, headers: IncomingHttpHeaders, secret: string): boolean {
  const header = (name: string) => String(headers[name] ?? '')
  const plain = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
  // Standard Webhooks: the key is what stands behind `whsec_`, the text is id.timestamp.body.
  const standard = createHmac('sha256', Buffer.from(secret.slice(STANDARD_PREFIX.length), 'base64'))
    .update(`${header('webhook-id')}.${header('webhook-timestamp')}.`)
    .update(body)
    .digest('base64')
  return isSame(header('x-webhook-signature'), plain) && isSame(header('webhook-signature'), `v1,${standard}`)
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}

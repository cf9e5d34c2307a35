/** The demo's webhook receiver: a server on a free loopback port that checks signatures like a customer would, and counts. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

const BODY_BYTES_MAX = 1_048_576

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
  const secret = randomBytes(24).toString('hex')
  const delivered = new Set<string>()
  const verified = new Set<string>()
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        const id = String(request.headers['webhook-id'] ?? '')
        delivered.add(id)
        const good = isSigned(body, String(request.headers['x-webhook-signature'] ?? ''), secret)
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

/** `X-Webhook-Signature: sha256=<hex>` over the exact bytes of the body. */
function isSigned(body: Buffer, header: string, secret: string): boolean {
  const given = Buffer.from(header)
  const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

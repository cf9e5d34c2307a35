/** Signs as each sender does, for tests: by their own libraries where there are some. */
import { Webhook } from 'standardwebhooks'

/** A request as a route gets it. */
export interface Sent {
  readonly body: string
  readonly headers: { readonly [name: string]: string }
}

const JSON_TYPE = { 'content-type': 'application/json' }
/** With what every JavaScript has: this file is read by the sandbox's rules as well. */
async function hmac(secret: string, data: string): Promise<Uint8Array> {
  const [key, bytes] = [new TextEncoder().encode(secret), new TextEncoder().encode(data)]
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, bytes))
}
const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))
const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

/** `payload` may be any text, too. */
export async function byTypeform(payload: object | string, secret: string): Promise<Sent> {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload)
  const signature = `sha256=${base64(await hmac(secret, body))}`
  return { body, headers: { ...JSON_TYPE, 'typeform-signature': signature } }
}

export async function byTally(payload: object, secret: string): Promise<Sent> {
  const body = JSON.stringify(payload)
  return { body, headers: { ...JSON_TYPE, 'tally-signature': base64(await hmac(secret, body)) } }
}

export function byFormbricks(payload: object, secret: string, { at, id = 'msg_1' }: { at: Date; id?: string }): Sent {
  const body = JSON.stringify(payload)
  return {
    body,
    headers: {
      ...JSON_TYPE,
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
    },
  }
}

export async function byScript(payload: object, secret: string, at: Date): Promise<Sent> {
  const body = JSON.stringify(payload)
  const time = Math.floor(at.getTime() / 1_000)
  const signature = hex(await hmac(secret, `${time}.${body}`))
  return { body, headers: { ...JSON_TYPE, 'x-manifold-signature': `t=${time},v1=${signature}` } }
}

/** With CRLF and a boundary, as RFC 7578 has it. */
export function byJotform(inputs: Readonly<Record<string, string>>): Sent {
  const boundary = '------------------------8d7f3a'
  const parts = Object.entries(inputs).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  return {
    body: `${parts.join('')}--${boundary}--\r\n`,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  }
}

/** Reads request bodies from the socket's own stream, under a byte limit that no header can talk it out of. */
import type { IncomingMessage } from 'node:http'
import { HubError } from '../errors.ts'
import type { Json } from '../contract/index.ts'
import { parseJson } from '../ingest/json-scan.ts'
import type { ScanLimits } from '../ingest/json-scan.ts'

/** All bytes of the body. `413` as soon as the limit is passed, by the announced length or by what really came. */
export function readBytes(incoming: IncomingMessage, bytesMax: number): Promise<Buffer> {
  refuseEncoding(incoming)
  const announced = incoming.headers['content-length']
  if (announced !== undefined && Number(announced) > bytesMax) return Promise.reject(tooLarge(bytesMax))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = () => incoming.off('data', onData).off('end', onEnd).off('error', onLost).off('close', onLost)
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > bytesMax) {
        settle()
        reject(tooLarge(bytesMax))
      } else chunks.push(chunk)
    }
    const onEnd = () => {
      settle()
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size))
    }
    const onLost = () => {
      settle()
      reject(new HubError('bad_request', 'The connection ended before the body did.'))
    }
    incoming.on('data', onData).on('end', onEnd).on('error', onLost).on('close', onLost)
  })
}

/** A body of `application/json` (or `+json`), parsed under the limits. */
export async function readJson(
  incoming: IncomingMessage,
  limits: ScanLimits & { bodyBytesMax: number },
): Promise<{ body: Json; bytes: Buffer }> {
  requireType(incoming, JSON_TYPES)
  const bytes = await readBytes(incoming, limits.bodyBytesMax)
  return { body: parseJson(bytes, limits), bytes }
}

/** Media types that are JSON. */
export const JSON_TYPES = /^application\/(?:[\w.+-]+\+)?json$/

/** Media types that are JSON a line. */
export const NDJSON_TYPES = /^application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines|json-?seq)$/

/** The media type without parameters, lower-case; empty when there is none. */
export function mediaType(incoming: IncomingMessage): string {
  const value = incoming.headers['content-type']
  if (value === undefined) return ''
  const end = value.indexOf(';')
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase()
}

/** `415` unless the media type matches and the charset, when named, is UTF-8. */
export function requireType(incoming: IncomingMessage, wanted: RegExp): void {
  const type = mediaType(incoming)
  if (!wanted.test(type)) {
    throw new HubError(
      'unsupported_media_type',
      type === ''
        ? 'Say what the body is with a Content-Type header, such as application/json.'
        : `"${type.slice(0, 100)}" is not read here; send application/json.`,
    )
  }
  const charset = /charset\s*=\s*"?([\w-]+)/i.exec(incoming.headers['content-type'] ?? '')?.[1]
  if (charset !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(charset))
    throw new HubError('unsupported_media_type', `The charset ${charset.slice(0, 40)} is not read here; send UTF-8.`)
}

/** Compressed bodies are refused: a few bytes must not become many. */
export function refuseEncoding(incoming: IncomingMessage): void {
  const encoding = incoming.headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw new HubError(
      'unsupported_media_type',
      'Compressed bodies are not read here; send the body without Content-Encoding.',
    )
  }
}

const tooLarge = (bytesMax: number): HubError =>
  new HubError('body_too_large', `The body is larger than ${bytesMax} bytes.`)

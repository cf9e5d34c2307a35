/** What a browser sends for a form, urlencoded or multipart, as inputs in order. File bytes are counted and dropped. */
import busboy from 'busboy'
import type { IncomingMessage } from 'node:http'
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { HtmlInputs } from '../ingest/receive.ts'
import type { Limits } from '../limits.ts'
import { mediaType, readBytes, refuseEncoding, requireType } from './body.ts'

export type FormBodyLimits = Pick<Limits, 'bodyBytesMax' | 'batchBodyBytesMax' | 'multipartPartsMax' | 'stringCharsMax'>

const AMPERSAND = 0x26
const NAME_BYTES_MAX = 400
const FILE_NAME_CHARS_MAX = 255
const FORM_TYPES = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)$/

/** Reads the body under its limits. A file becomes `{name, type, size}`; its bytes are kept nowhere. */
export async function readForm(incoming: IncomingMessage, limits: FormBodyLimits): Promise<HtmlInputs> {
  requireType(incoming, FORM_TYPES)
  const inputs =
    mediaType(incoming) === 'multipart/form-data'
      ? await readMultipart(incoming, limits)
      : await readUrlencoded(incoming, limits)
  for (const [name, value] of inputs) {
    if (typeof value === 'string' && value.length > limits.stringCharsMax) {
      throw new HubError(
        'string_too_long',
        `"${name.slice(0, 100)}" has ${value.length} characters; the limit is ${limits.stringCharsMax}.`,
      )
    }
  }
  return inputs
}

async function readUrlencoded(incoming: IncomingMessage, limits: FormBodyLimits): Promise<HtmlInputs> {
  const bytes = await readBytes(incoming, limits.bodyBytesMax)
  let count = 1
  for (const byte of bytes) if (byte === AMPERSAND) count++
  if (count > limits.multipartPartsMax) throw tooMany(limits)
  return [...new URLSearchParams(bytes.toString('utf8'))]
}

function readMultipart(incoming: IncomingMessage, limits: FormBodyLimits): Promise<HtmlInputs> {
  refuseEncoding(incoming)
  const parser = openParser(incoming, limits)
  return new Promise((resolve, reject) => {
    const inputs: (readonly [string, Json])[] = []
    let size = 0
    const count = (chunk: Buffer) => {
      size += chunk.length
      if (size > limits.batchBodyBytesMax)
        fail(new HubError('body_too_large', `The form is larger than ${limits.batchBodyBytesMax} bytes.`))
    }
    const fail = (error: HubError) => {
      incoming.off('data', count).off('close', onClose).unpipe(parser)
      parser.removeAllListeners().on('error', () => undefined)
      reject(error)
    }
    const onClose = () => {
      if (!incoming.readableEnded) fail(new HubError('bad_request', 'The connection ended before the form did.'))
    }
    parser.on('field', (name, value, info) => {
      if (info.nameTruncated)
        fail(new HubError('bad_request', `An input's name is longer than ${NAME_BYTES_MAX} bytes.`))
      else if (info.valueTruncated)
        fail(
          new HubError(
            'body_too_large',
            `The input "${name.slice(0, 100)}" is larger than ${limits.bodyBytesMax} bytes.`,
          ),
        )
      else inputs.push([name, value])
    })
    parser.on('file', (name, stream, info) => {
      let bytes = 0
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      stream.on('error', () => undefined)
      stream.on('close', () => {
        // An empty file input sends a part without a name: nobody chose a file.
        if (info.filename === undefined || info.filename === '') return
        inputs.push([
          name,
          {
            name: info.filename.slice(0, FILE_NAME_CHARS_MAX),
            type: info.mimeType.slice(0, FILE_NAME_CHARS_MAX),
            size: bytes,
          },
        ])
      })
    })
    parser.on('partsLimit', () => fail(tooMany(limits)))
    parser.on('error', () => fail(new HubError('bad_request', 'The multipart body is not well formed.')))
    parser.on('close', () => {
      incoming.off('data', count).off('close', onClose)
      resolve(inputs)
    })
    incoming.on('data', count).on('close', onClose)
    incoming.pipe(parser)
  })
}

function openParser(incoming: IncomingMessage, limits: FormBodyLimits): busboy.Busboy {
  try {
    return busboy({
      headers: incoming.headers,
      defParamCharset: 'utf8',
      limits: { parts: limits.multipartPartsMax, fieldSize: limits.bodyBytesMax, fieldNameSize: NAME_BYTES_MAX },
    })
  } catch {
    throw new HubError('bad_request', 'The multipart Content-Type has no usable boundary.')
  }
}

const tooMany = (limits: FormBodyLimits): HubError =>
  new HubError('too_many_keys', `A form may send at most ${limits.multipartPartsMax} inputs.`)

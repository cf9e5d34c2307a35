/** Says on a bare socket, in the API's own words, why there is no answer, and hangs up. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { retryAfterSeconds, toProblem } from './problem.ts'

export function refuseSocket(socket: Duplex, error: HubError): void {
  const requestId = newId('request')
  const body = JSON.stringify(toProblem(error, requestId))
  const seconds = retryAfterSeconds(error)
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    ...(seconds === null ? [] : [`retry-after: ${seconds}`]),
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

/** A request as a command for a POSIX shell. */
import type { Exchange } from '../wire.ts'

/** The connection's own; curl makes them itself. */
const OWN = new Set(['host', 'content-length', 'connection', 'transfer-encoding', 'accept-encoding'])

export function curl({ method, url, request_headers: headers, request_body: body }: Exchange): string {
  const lines = [
    `curl -i -X ${quoted(method)} ${quoted(url)}`,
    ...Object.entries(headers).flatMap(([name, value]) =>
      OWN.has(name.toLowerCase()) ? [] : [`  -H ${quoted(`${name}: ${value}`)}`],
    ),
    ...(body === null || body === '' ? [] : [`  --data-binary ${quoted(body)}`]),
  ]
  return lines.join(' \\\n')
}

/** Nothing inside single quotes means anything to a shell, but the quote itself. */
const quoted = (text: string): string => (/^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

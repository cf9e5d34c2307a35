/** A request as a command for a POSIX shell, which sends what stands in it and nothing of the machine it is pasted on. */
import type { Exchange } from '../wire.ts'

/** The connection's own; curl makes them itself. */
const OWN = new Set(['host', 'content-length', 'connection', 'transfer-encoding', 'accept-encoding'])

/** As HTTP has names; curl reads one that begins with `@` as a file of headers. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/

/** The exchange again. Curl is told to read nothing into it: no brackets in the URL, no file that a body begins with. */
export function curl({ method, url, request_headers: headers, request_body: body }: Exchange): string {
  const hasBody = body !== null && body !== ''
  const sent = Object.entries(headers).filter(([name]) => !OWN.has(name.toLowerCase()) && HEADER_NAME.test(name))
  const isTyped = sent.some(([name]) => name.toLowerCase() === 'content-type')
  const lines = [
    `curl -i --globoff -X ${quoted(method)} --url ${quoted(url)}`,
    ...sent.map(([name, value]) => `  -H ${quoted(value === '' ? `${name};` : `${name}: ${value}`)}`),
    // Else it says that every body is a form.
    ...(hasBody && !isTyped ? [`  -H 'content-type:'`] : []),
    ...(hasBody ? [`  --data-raw ${quoted(body)}`] : []),
  ]
  return lines.join(' \\\n')
}

/** Nothing inside single quotes means anything to a shell, but the quote itself. */
const quoted = (text: string): string => (/^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

/** Pages and files of the dashboard as few bytes: packed the way that a browser says it can unpack, where that tells nobody anything. */
import type { IncomingHttpHeaders } from 'node:http'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const toBrotli = promisify(brotliCompress)
const toGzip = promisify(gzip)

export type Packing = 'br' | 'gzip'

/** What is packed once and kept is packed as hard as can be; a page is packed while somebody waits. */
const ONCE = { br: 11, gzip: 9 } as const
const WAITED_FOR = { br: 4, gzip: 5 } as const
/** Below it a packet of the network is not full anyway. */
const PACKED_BYTES_MIN = 1_000

/** The best that a browser takes of what there is; null: it wants it as it is. */
export function packingOf({ 'accept-encoding': accepted = '' }: IncomingHttpHeaders): Packing | null {
  const offered = String(accepted)
    .toLowerCase()
    .split(',')
    .map((each) => each.replaceAll(' ', ''))
    .filter((each) => !/;q=0(?:\.0*)?$/.test(each))
    .map((each) => each.split(';')[0])
  return (['br', 'gzip'] as const).find((packing) => offered.includes(packing)) ?? null
}

/** Packs as hard as can be, for what is kept. */
export const packedOnce = (body: string, packing: Packing): Promise<Uint8Array<ArrayBuffer>> =>
  pack(Buffer.from(body), packing, ONCE)

const pack = (
  body: Buffer,
  packing: Packing,
  effort: Readonly<Record<Packing, number>>,
): Promise<Buffer<ArrayBuffer>> =>
  packing === 'br'
    ? toBrotli(body, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: effort.br,
          [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
          [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
        },
      })
    : toGzip(body, { level: effort.gzip })

/**
 * A page in less bytes. The length of a packed page tells whoever can have it asked for again and again, with words of theirs in
 * it, and sees how long each answer is, which of the words stand in it elsewhere (BREACH). So only what this hub's own pages or
 * the person at the browser asked for is packed; what a page of another site has asked for, what a browser does not say this of,
 * and what answers a form, such as a new key, goes as it is.
 */
export async function lighter(page: Response, method: string, headers: IncomingHttpHeaders): Promise<Response> {
  if (method !== 'GET' || page.body === null || page.headers.get('content-type')?.startsWith('text/html') !== true)
    return page
  page.headers.append('vary', 'accept-encoding, sec-fetch-site')
  const packing = packingOf(headers)
  const site = headers['sec-fetch-site']
  if (packing === null || (site !== 'same-origin' && site !== 'none')) return page
  const body = Buffer.from(await page.arrayBuffer())
  if (body.length < PACKED_BYTES_MIN) return new Response(body, { status: page.status, headers: page.headers })
  page.headers.set('content-encoding', packing)
  return new Response(await pack(body, packing, WAITED_FOR), { status: page.status, headers: page.headers })
}

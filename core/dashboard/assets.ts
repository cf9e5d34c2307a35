/** Files that pages load: named by what is in them, so that a browser may keep each for ever. */
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { packedOnce, packingOf } from './lighter.ts'

export interface Asset {
  /** With a digest in its name. */
  readonly path: string
  readonly type: string
  /** As it is served; of a script, where it begins. */
  readonly source: string | URL
}

const DIGEST_CHARS = 12

/** Its path under `/assets/`. */
function pathOf(name: string, content: string): string {
  const [stem, ending] = name.split('.') as [string, string]
  return `/assets/${stem}.${hash('sha256', content, 'hex').slice(0, DIGEST_CHARS)}.${ending}`
}

const asset = (name: string, type: string, source: string) => ({ path: pathOf(name, source), type, source })

const read = (file: URL): string => readFileSync(file, 'utf8')

const ISLANDS = new URL('./islands/', import.meta.url)

/** Any script may import any of them, so each is named by all. */
const ISLANDS_TEXT = readdirSync(ISLANDS, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .toSorted()
  .map((name) => read(new URL(name.replaceAll('\\', '/'), ISLANDS)))
  .join('\n')

const script = (name: string, source: URL): Asset => ({
  path: pathOf(name, ISLANDS_TEXT),
  type: 'text/javascript; charset=utf-8',
  source,
})

/** The stylesheet: tokens first, then what is made of them. */
export const STYLE = asset(
  'style.css',
  'text/css; charset=utf-8',
  ['tokens', 'base', 'layout', 'parts', 'charts']
    .map((name) => read(new URL(`./style/${name}.css`, import.meta.url)))
    .join('\n'),
)

/** What runs in browsers. */
export const SCRIPT = script('live.js', new URL('./islands/live.ts', import.meta.url))

/** What takes one from page to page of a list. */
export const MOVE_SCRIPT = script('move.js', new URL('./islands/move.ts', import.meta.url))

/** What charts answer to a pointer with; the first script loads it when it is needed. */
export const CHART_SCRIPT = script('chart.js', new URL('./islands/chart.ts', import.meta.url))

/** What forms do while somebody types or chooses; the script above loads it where there is such a form. */
export const TYPING_SCRIPT = script('typing.js', new URL('./islands/typing.ts', import.meta.url))

const ICON_TEXT = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#2c4bd0"/><path d="M8 23V10l8 8 8-8v13" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>`

export const ICON = asset('icon.svg', 'image/svg+xml', ICON_TEXT)

/** Makes a script of a TypeScript file and what it imports. */
export type Minify = (entry: URL) => Promise<string>

/** Answers for an asset; what has to be made is made once, and packed once each way, when somebody asks first. */
export function openAssets(minify: Minify): {
  readonly all: readonly Asset[]
  answer(asset: Asset, headers: IncomingHttpHeaders): Promise<Response>
} {
  const made = new Map<string, Promise<string | Uint8Array<ArrayBuffer>>>()
  const once = <Body extends string | Uint8Array<ArrayBuffer>>(
    name: string,
    make: () => Promise<Body>,
  ): Promise<Body> => {
    const body = (made.get(name) as Promise<Body> | undefined) ?? make()
    made.set(name, body)
    // What failed is tried again.
    body.catch(() => made.delete(name))
    return body
  }
  const textOf = async ({ source, path }: Asset): Promise<string> =>
    typeof source === 'string' ? source : once(path, () => minify(source))
  return {
    all: [STYLE, SCRIPT, MOVE_SCRIPT, CHART_SCRIPT, TYPING_SCRIPT, ICON],
    answer: async (asset, asked) => {
      // Weak: it is the same file, packed or not.
      const etag = `W/"${asset.path}"`
      const headers = {
        etag,
        vary: 'accept-encoding',
        'cache-control': 'public, max-age=31536000, immutable',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
      }
      if (asked['if-none-match'] === etag) return new Response(null, { status: 304, headers })
      const packing = packingOf(asked)
      if (packing === null)
        return new Response(await textOf(asset), { headers: { ...headers, 'content-type': asset.type } })
      const packed = await once(`${packing} ${asset.path}`, async () => packedOnce(await textOf(asset), packing))
      return new Response(packed, {
        headers: { ...headers, 'content-type': asset.type, 'content-encoding': packing },
      })
    },
  }
}

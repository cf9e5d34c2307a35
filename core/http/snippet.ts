/** `/m.js`: what pages load to have their visitors' behaviour tracked. Made once, when somebody asks first. */
import { minify } from '../sandbox/minify.ts'
import { SNIPPET_PATH } from './html.ts'
import { API_HEADERS } from './problem.ts'
import type { Route } from './route.ts'

const SOURCE = new URL('snippet/m.ts', import.meta.url)
const KEPT_S = 3_600

export function snippetRoutes(): Route[] {
  let made: Promise<string> | undefined
  const code = (): Promise<string> => {
    made ??= minify(SOURCE)
    // What failed is tried again.
    made.catch(() => (made = undefined))
    return made
  }
  return [
    {
      method: 'GET',
      path: SNIPPET_PATH,
      access: 'open',
      handler: async (call) =>
        new Response(await code(), {
          headers: {
            ...API_HEADERS,
            'content-type': 'text/javascript; charset=utf-8',
            'cache-control': `public, max-age=${KEPT_S}`,
            'cross-origin-resource-policy': 'cross-origin',
            'x-request-id': call.requestId,
          },
        }),
    },
  ]
}

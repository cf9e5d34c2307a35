/** Which of a plugin's routes a request is for. Pure. */

export interface RouteMatch {
  /** As the manifest has it, such as `POST /hook/{token}`. */
  readonly name: string
  /** What its `{name}` segments stand for, decoded. */
  readonly params: { readonly [name: string]: string }
}

const PARAM = /^\{(\w+)\}$/

/** A route without segments to fill comes before those with some; of those, the first in the manifest. */
export function matchRoute(
  routes: { readonly [name: string]: unknown },
  { method, path }: { readonly method: string; readonly path: string },
): RouteMatch | undefined {
  const exact = `${method} ${path}`
  if (Object.hasOwn(routes, exact) && !exact.includes('{')) return { name: exact, params: {} }
  const segments = path.split('/')
  for (const name of Object.keys(routes)) {
    if (!name.includes('{') || !name.startsWith(`${method} `)) continue
    const params = paramsOf(name.slice(method.length + 1).split('/'), segments)
    if (params !== undefined) return { name, params }
  }
  return undefined
}

function paramsOf(wanted: readonly string[], given: readonly string[]): { [name: string]: string } | undefined {
  if (wanted.length !== given.length) return undefined
  const params: { [name: string]: string } = Object.create(null) as { [name: string]: string }
  for (const [index, segment] of wanted.entries()) {
    const value = given[index] as string
    const name = PARAM.exec(segment)?.[1]
    if (name === undefined) {
      if (segment !== value) return undefined
      continue
    }
    const text = decoded(value)
    if (text === undefined || text === '') return undefined
    params[name] = text
  }
  return params
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** What goes with every request, and what the hub's refusals mean to a Zap. */
import type { BeforeRequestMiddleware, AfterResponseMiddleware } from 'zapier-platform-core'

/** The key of the connection; refusals are read below, not thrown by the platform. */
export const withKey: BeforeRequestMiddleware = (request, _z, bundle) => ({
  ...request,
  skipThrowForStatus: true,
  headers: {
    ...request.headers,
    accept: 'application/json',
    authorization: `Bearer ${String(bundle?.authData['api_key'] ?? '')}`,
  },
})

interface Problem {
  readonly detail?: string
  readonly code?: string
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[]
}

/**
 * 401 and 403 pause the Zap and write to its owner; 429 waits as asked; 404, 409 and 412 stop this run softly; what the
 * answers got wrong is told field by field; the rest is tried again by Zapier.
 */
export const withErrors: AfterResponseMiddleware = (response, z) => {
  const { status } = response
  if (status >= 200 && status < 300) return response
  const problem = problemOf(response.content)
  const detail = problem.detail ?? `The hub answered ${status}.`
  if (status === 401 || status === 403) {
    const why = status === 401 ? 'Your API key is not accepted any more' : 'Your API key may not do this'
    throw new z.errors.ExpiredAuthError(`${why}: ${detail} Connect Manifold again with another key.`)
  }
  if (status === 429) throw new z.errors.ThrottledError(detail, secondsIn(response.getHeader('retry-after')))
  if (status === 404 || status === 409 || status === 412) throw new z.errors.HaltedError(detail)
  const fields = (problem.errors ?? []).map((error) => `${fieldOf(error.pointer)}: ${error.detail}`)
  throw new z.errors.Error([detail, ...fields].join('\n'), problem.code ?? 'hub_error', status)
}

function problemOf(content: string): Problem {
  try {
    const problem: unknown = JSON.parse(content)
    return typeof problem === 'object' && problem !== null ? problem : {}
  } catch {
    return {}
  }
}

/** The last part of a JSON pointer, as it is written in the form. */
const fieldOf = (pointer: string): string =>
  pointer
    .slice(pointer.lastIndexOf('/') + 1)
    .replaceAll('~1', '/')
    .replaceAll('~0', '~') || 'The request'

const SECONDS_DEFAULT = 60

const secondsIn = (header: string | undefined): number =>
  header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : SECONDS_DEFAULT

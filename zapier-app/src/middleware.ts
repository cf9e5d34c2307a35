/** What goes with every request. */
import type { BeforeRequestMiddleware, Bundle, ZObject } from 'zapier-platform-core'
import { hubUrl } from './hub.ts'

/** The key of the connection; refusals are told by `refusals.ts`, not thrown by the platform in words for programs. */
export const withKey: BeforeRequestMiddleware = (request, z, bundle) => ({
  ...request,
  skipThrowForStatus: true,
  throwForThrottlingEarly: false,
  headers: isOfHub(request.url ?? '', z, bundle)
    ? {
        ...request.headers,
        accept: 'application/json',
        authorization: `Bearer ${String(bundle?.authData['api_key'] ?? '')}`,
      }
    : { ...request.headers },
})

/** A file lies wherever a respondent says: whoever keeps it is not to see the key. */
const isOfHub = (url: string, z: ZObject, bundle: Bundle | undefined): boolean =>
  bundle !== undefined && url.startsWith(`${hubUrl(z, bundle)}/`)

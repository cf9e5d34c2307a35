/** An event that was read, as it is stored: what it says, and what the connection says of its sender. Pure. */
import type { Json } from '../../contract/index.ts'
import type { Limits } from '../../limits.ts'
import type { EventInput } from './event-shape.ts'

/** What the connection and the sender's standing say. */
export interface EventOrigin {
  readonly userAgent: string | null
  readonly referrer: string | null
  /** The sender showed an API key: it may speak for others, and of long ago. */
  readonly keyed: boolean
}

export type AgeLimits = Pick<Limits, 'eventAheadMsMax' | 'publicEventAgeMsMax'>

export interface Normalised {
  /** JSON object texts. */
  readonly data: string
  readonly meta: string
}

/** `data` and `meta` of the log's entry; what is not known is left out. */
export function normalise(
  event: EventInput,
  { family, origin, nowMs, limits }: { family: string; origin: EventOrigin; nowMs: number; limits: AgeLimits },
): Normalised {
  const { page = {}, context = {} } = event
  const place = placeOf(page)
  const named = context.campaign ?? {}
  const data = {
    event_id: event.event_id,
    name: event.name ?? family,
    occurred_at: new Date(clamp(event.occurred_at, { keyed: origin.keyed, nowMs, limits })).toISOString(),
    user_id: event.user_id ?? undefined,
    anonymous_id: event.anonymous_id ?? undefined,
    session_id: event.session_id ?? undefined,
    consent: event.consent,
    form_id: event.form_id ?? undefined,
    page: some({ url: place.url, path: place.path, title: page.title, referrer_host: hostOf(page.referrer) }),
    context: some({
      channel: context.channel ?? (origin.keyed ? 'api' : 'web'),
      organizer: context.organizer,
      event: context.event,
    }),
    campaign: some({
      source: named.source ?? place.campaign.source,
      medium: named.medium ?? place.campaign.medium,
      name: named.name ?? place.campaign.name,
    }),
    value: event.value,
    currency: event.currency,
    properties: event.properties as Json | undefined,
  }
  const userAgent = origin.keyed ? context.user_agent : origin.userAgent
  return {
    data: JSON.stringify(data),
    meta: JSON.stringify({
      user_agent: userAgent?.slice(0, USER_AGENT_CHARS_MAX) ?? undefined,
      country: context.country,
    }),
  }
}

const USER_AGENT_CHARS_MAX = 512

/** A clock that runs ahead is told the time; strangers cannot write history. */
function clamp(
  at: string | undefined,
  { keyed, nowMs, limits }: { keyed: boolean; nowMs: number; limits: AgeLimits },
): number {
  if (at === undefined) return nowMs
  const atMs = Date.parse(at)
  if (atMs > nowMs + limits.eventAheadMsMax) return nowMs
  return keyed ? atMs : Math.max(atMs, nowMs - limits.publicEventAgeMsMax)
}

interface Place {
  readonly url: string | undefined
  readonly path: string | undefined
  readonly campaign: { readonly source?: string; readonly medium?: string; readonly name?: string }
}

/** A query string may hold anything of anybody: only the campaign is taken out of it, the rest is dropped. */
function placeOf({ url, path }: NonNullable<EventInput['page']>): Place {
  const parsed = url === undefined ? null : URL.parse(url)
  const shown = path?.replace(/[?#].*$/s, '')
  if (parsed === null) return { url: undefined, path: shown, campaign: {} }
  const [source, medium, name] = ['utm_source', 'utm_medium', 'utm_campaign'].map(
    (key) => parsed.searchParams.get(key)?.slice(0, CAMPAIGN_CHARS_MAX) || undefined,
  )
  return {
    url: `${parsed.origin}${parsed.pathname}`,
    path: shown ?? parsed.pathname,
    campaign: { ...(source && { source }), ...(medium && { medium }), ...(name && { name }) },
  }
}

const CAMPAIGN_CHARS_MAX = 200

const hostOf = (referrer: string | undefined): string | undefined =>
  referrer === undefined || referrer === '' ? undefined : (URL.parse(referrer)?.host ?? bareHost(referrer))

/** Some senders have a host and no URL. */
const bareHost = (text: string): string | undefined => (/^[\w.:-]+$/.test(text) ? text.toLowerCase() : undefined)

/** Undefined when nothing of it is known. */
const some = <T extends object>(parts: T): T | undefined =>
  Object.values(parts).some((value) => value !== undefined) ? parts : undefined

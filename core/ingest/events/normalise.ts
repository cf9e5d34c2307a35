/** An event that was checked, as it is stored: what it says, and what is known of its sender. Pure. */
import type { Json } from '../../contract/index.ts'
import type { Limits } from '../../limits.ts'
import type { EventInput } from './event-shape.ts'
import type { Consent } from './families.ts'
import { readAgent } from './user-agent.ts'

/** What is known of the sender beside what it says. */
export interface EventOrigin {
  /** The address that it came from. It is hashed, never kept. */
  readonly ip: string | null
  readonly userAgent: string | null
  /** Of the request, by lower-case name. */
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  /** The sender showed an API key: it may speak for others, and of long ago. */
  readonly keyed: boolean
}

/** With what holds of its consent. */
export type SettledEvent = EventInput & { readonly consent: Exclude<Consent, 'denied'> }

export interface Checked {
  readonly event: SettledEvent
  readonly family: { readonly name: string; readonly version: number }
  /** As the family takes them. */
  readonly properties: { readonly [key: string]: Json }
  /** `subject`, `action` and `measure`, where there are any. */
  readonly effects: { readonly [key: string]: Json }
}

export interface Surroundings {
  readonly keyed: boolean
  readonly nowMs: number
  readonly limits: Pick<Limits, 'publicEventAgeMsMax'>
}

/** JSON object text of what it says; what is not known is left out. */
export function dataOf({ event, family, properties, effects }: Checked, around: Surroundings): string {
  const { page = {}, context = {}, consent } = event
  const place = placeOf(page)
  const named = context.campaign ?? {}
  return JSON.stringify({
    event_id: event.event_id,
    name: event.name ?? family.name,
    schema_version: family.version,
    occurred_at: new Date(clamp(event.occurred_at, around)).toISOString(),
    ...(consent === 'minimal' ? {} : whoOf(event)),
    consent,
    form_id: event.form_id ?? undefined,
    page: some({ url: place.url, path: place.path, title: page.title, referrer_host: hostOf(page.referrer) }),
    context: some({
      channel: context.channel ?? (around.keyed ? 'api' : 'web'),
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
    ...effects,
    properties: Object.keys(properties).length === 0 ? undefined : properties,
  })
}

/** What would recognise somebody. */
const whoOf = ({ user_id: user, anonymous_id: anonymous, session_id: session }: EventInput): object => ({
  user_id: user ?? undefined,
  anonymous_id: anonymous ?? undefined,
  session_id: session ?? undefined,
})

/**
 * Without a key nobody speaks of others: who somebody is, what something was worth and for whom it was are taken from senders
 * that are known.
 */
export function ofStranger({ user_id: _u, value: _v, currency: _c, context, ...event }: EventInput): EventInput {
  if (context === undefined) return event
  const { organizer: _o, event: _e, ...rest } = context
  return { ...event, context: rest }
}

/** As its sender may send it again, without what nobody should know: no address, no query of a URL, as much as is consented to. */
export function keptOf(
  event: SettledEvent & { readonly type: string },
  { id, nowMs }: { id: string; nowMs: number },
): Json {
  const { user_id: _u, anonymous_id: _a, session_id: _s, page, context = {}, ...rest } = event
  const { ip: _ip, user_agent: userAgent, ...around } = context
  const place = placeOf(page ?? {})
  const isMinimal = event.consent === 'minimal'
  return JSON.parse(
    JSON.stringify({
      ...rest,
      ...(isMinimal ? {} : whoOf(event)),
      event_id: event.event_id ?? id,
      occurred_at: event.occurred_at ?? new Date(nowMs).toISOString(),
      page: page && { url: place.url, path: place.path, title: page.title, referrer: hostOf(page.referrer) },
      context: {
        ...around,
        campaign: { ...place.campaign, ...context.campaign },
        user_agent: isMinimal ? undefined : userAgent,
      },
    }),
  ) as Json
}

const USER_AGENT_CHARS_MAX = 512

/** JSON object text of what its sender's connection says, as far as its consent goes. */
export function metaOf(
  consent: SettledEvent['consent'],
  { userAgent, country, ipHash }: { userAgent: string | null; country: string | null; ipHash: string | null },
): string {
  const agent = userAgent === null ? null : readAgent(userAgent)
  const least = { device: agent?.device, country: country ?? undefined }
  if (consent === 'minimal') return JSON.stringify(least)
  return JSON.stringify({
    ...least,
    browser: agent?.browser ?? undefined,
    os: agent?.os ?? undefined,
    ip_hash: ipHash ?? undefined,
    user_agent: userAgent?.slice(0, USER_AGENT_CHARS_MAX),
  })
}

/** A clock that runs ahead is told the time; strangers cannot write history. */
function clamp(at: string | undefined, { keyed, nowMs, limits }: Surroundings): number {
  if (at === undefined) return nowMs
  const atMs = Date.parse(at)
  if (atMs > nowMs) return nowMs
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

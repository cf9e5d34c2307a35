/** Every page of the dashboard there is to look at: for axe, for texts that mean harm, and for pictures. */
import type { BrowserContext } from 'playwright-core'
import { SCREENS } from '../../core/dashboard/screens.ts'
import type { Hub } from './hub.ts'

export interface Looked {
  readonly path: string
  /** What it answers with, once redirects were followed. */
  readonly status: number
}

interface Of {
  readonly hub: Hub
  /** Of somebody who has signed in. */
  readonly context: BrowserContext
  /** A question that was saved, and a link to it. */
  readonly saved: string
  readonly shared: string
}

/** The id of the first item of a list of the API; empty: there is none. */
export async function firstOf(hub: Hub, list: string): Promise<string> {
  const { body } = await hub.api<{ items: { id: string }[] }>('GET', `/api/v2/${list}`)
  return body.items[0]?.id ?? ''
}

const NAUGHTY = '"><script>hacked()</script>'
const MISSING = ['/nowhere', `/deliveries/${encodeURIComponent(NAUGHTY)}`]

/** Throws where a screen has no page in it. */
export async function allPaths(of: Of): Promise<readonly Looked[]> {
  const paths = [
    ...(await comingIn(of)),
    ...(await goingOut(of)),
    ...(await running(of)),
    ...analytics(of),
    ...WITHOUT_ID,
  ]
  const shapes = SCREENS.filter(({ method }) => method === 'GET').map(({ path }) => ({
    path,
    shape: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }))
  const looked = new Set(
    [...paths, ...MISSING].map((each) => shapes.find(({ shape }) => shape.test(each.split('?')[0] as string))?.path),
  )
  const left = shapes.filter(({ path }) => !looked.has(path) && path !== STREAM).map(({ path }) => path)
  if (left.length > 0) throw new Error(`No page is looked at of ${left.join(', ')}`)
  return [...paths.map((path) => ({ path, status: 200 })), ...MISSING.map((path) => ({ path, status: 404 }))]
}

/** It never ends, and is no page. */
const STREAM = '/events/live'

const WITHOUT_ID = [
  '/',
  '/config',
  '/dead-letters',
  '/dead-letters/replay/of-another-process',
  '/events',
  '/forms',
  '/forms/new',
  '/hooks',
  '/installations',
  '/keys',
  '/keys/new',
  '/plugins',
  '/quarantine',
  '/quarantine/release/of-another-process',
  '/responses',
  '/runs',
  '/sign-in',
  '/sign-in/some-link',
  '/system',
]

async function comingIn({ hub }: Of): Promise<readonly string[]> {
  const [response, event, aside] = await Promise.all(
    ['responses', 'events?order=newest', 'quarantine'].map((list) => firstOf(hub, list)),
  )
  return [
    '/forms/contact',
    '/forms/contact/preview',
    '/forms/guests/edit',
    '/forms/guests/delete',
    '/responses?form=contact',
    '/responses?form=guests',
    '/responses?text=nothing-is-like-this',
    `/responses/${response}`,
    `/responses/${response}/delete`,
    `/quarantine/${aside}`,
    `/quarantine/${aside}/discard`,
    '/quarantine/release',
    `/events/${event}`,
  ]
}

async function goingOut({ hub, context }: Of): Promise<readonly string[]> {
  const [delivery, own, hook] = await Promise.all(
    ['deliveries?installation=crm', 'deliveries?installation=one', 'hooks'].map((list) => firstOf(hub, list)),
  )
  // What fails stays to be looked at.
  const begun = await context.request.post('/dead-letters/discard', {
    form: { since: NAUGHTY, of: '3' },
    headers: { origin: hub.url },
    maxRedirects: 0,
  })
  return [
    `/deliveries?text=${encodeURIComponent(NAUGHTY)}`,
    `/deliveries/${delivery}`,
    `/deliveries/${own}`,
    '/dead-letters/replay',
    '/dead-letters/discard',
    String(begun.headers()['location']),
    `/hooks/${hook}`,
    `/hooks/${hook}/end`,
  ]
}

async function running({ hub }: Of): Promise<readonly string[]> {
  const [run, failed, key] = await Promise.all(
    ['runs?outcome=ok', 'runs?outcome=failed', 'keys'].map((list) => firstOf(hub, list)),
  )
  return [
    '/installations/crm',
    '/installations/crm/change',
    '/installations/crm/test',
    '/installations/crm/backfill',
    '/installations/crm/backfill?from=beginning',
    '/plugins/hey',
    '/plugins/hey/install',
    '/plugins/guard/install',
    `/runs/${run}`,
    `/runs/${failed}`,
    `/keys/${key}/revoke`,
  ]
}

const analytics = ({ saved, shared }: Of): readonly string[] => [
  '/analytics',
  '/analytics/forms/contact',
  '/analytics/saved',
  `/analytics/saved/${saved}`,
  `/analytics/saved/${saved}/edit`,
  `/analytics/saved/${saved}/delete`,
  `/analytics/funnel?step1=/&step2=/pricing&breakdown=device&saved=${saved}`,
  '/analytics/question?about=form:contact&by=kind',
  '/analytics/question?about=nothing&by=nothing',
  '/analytics/sql',
  '/analytics/retention?period=day',
  '/analytics/journeys',
  shared,
]

/**
 * Runs in visitors' browsers, served at `/m.js` and smaller than 2 KB: page views, and of forms how they are seen, begun, filled
 * in, sent or left. Nothing a visitor types is looked at. `data-consent` on the script says how much may be known: `denied` (nothing
 * is sent), `minimal` (nobody is recognised; unless said otherwise) or `granted`.
 */

/** As much of a browser as is used here. */
interface Place {
  readonly href: string
  readonly protocol: string
}
interface Element {
  readonly name?: string
  readonly action?: string
  readonly dataset: { readonly [name: string]: string | undefined }
  readonly form?: Element | null
}
interface Happening {
  readonly target: Element
}
declare const document: {
  readonly currentScript: Element & { readonly src: string }
  readonly forms: Iterable<Element>
  readonly referrer: string
  readonly title: string
  readonly visibilityState: string
  addEventListener(type: string, heard: (event: Happening) => void, capture?: boolean): void
}
declare const location: Place
declare const localStorage: { [key: string]: string }
declare const history: { pushState(...state: unknown[]): void }
declare function addEventListener(type: string, heard: () => void): void
type Beacon = { sendBeacon(url: string, body: string): boolean }

const script = document.currentScript
const { consent = 'minimal', pages } = script.dataset
const hub = new URL(script.src).origin

/** What is known of a form that somebody is in. */
interface Visit {
  startedMs: number
  /** By field, in ms. */
  readonly dwell: { [field: string]: number }
  field: string
  sinceMs: number
}

const waiting: object[] = []
const visits = new Map<string, Visit>()
const makeId = (): string => Date.now().toString(36) + Math.random().toString(36).slice(2)

function visitor(): string | undefined {
  if (consent !== 'granted') return undefined
  try {
    return (localStorage['_m'] ||= makeId())
  } catch {
    // Some browsers keep nothing.
    return undefined
  }
}

function flush(): void {
  // No more than the hub takes at once; the last chance to send is for all of it.
  while (waiting.length > 0)
    (navigator as unknown as Beacon).sendBeacon(`${hub}/api/v2/events/track`, JSON.stringify(waiting.splice(0, 50)))
}

/** `form` is null where it is about none. */
function track(type: string, properties?: object, form: string | null = null): void {
  waiting.push({
    type,
    properties,
    consent,
    event_id: makeId(),
    form_id: form,
    anonymous_id: visitor(),
    occurred_at: new Date(),
    page: { url: location.href, title: document.title, referrer: document.referrer },
  })
  setTimeout(flush, 1e3)
}

/** A form of the hub is known by where it is sent to, any other by `data-manifold`. */
const formOf = ({ dataset, action }: Element): string | undefined =>
  dataset['manifold'] || (String(action).startsWith(`${hub}/f/`) ? String(action).slice(hub.length + 3) : undefined)

function leaveField(visit: Visit): void {
  if (visit.sinceMs > 0) visit.dwell[visit.field] = (visit.dwell[visit.field] ?? 0) + Date.now() - visit.sinceMs
  visit.sinceMs = 0
}

function end(form: string, type: string): void {
  const visit = visits.get(form)
  if (visit === undefined) return
  visits.delete(form)
  leaveField(visit)
  // The end first: a browser takes only so much of a page that goes.
  track(type, { field: visit.field, elapsed_ms: Date.now() - visit.startedMs }, form)
  for (const field in visit.dwell) track('form_field', { field, dwell_ms: visit.dwell[field] }, form)
}

function viewPage(): void {
  if (pages !== 'off') track('page_view')
}

function start(): void {
  viewPage()
  for (const each of document.forms) {
    const form = formOf(each)
    if (form) track('form_view', undefined, form)
  }
  document.addEventListener('focusin', ({ target }) => {
    const form = target.form && formOf(target.form)
    if (!form || !target.name) return
    let visit = visits.get(form)
    if (visit === undefined) {
      visits.set(form, (visit = { startedMs: Date.now(), dwell: {}, field: '', sinceMs: 0 }))
      track('form_start', undefined, form)
    }
    leaveField(visit)
    visit.field = target.name
    visit.sinceMs = Date.now()
  })
  document.addEventListener('focusout', ({ target }) => {
    const visit = target.form && visits.get(formOf(target.form) as string)
    if (visit) leaveField(visit)
  })
  document.addEventListener('submit', ({ target }) => end(formOf(target) as string, 'form_submit'), true)
  addEventListener('pagehide', () => {
    for (const form of visits.keys()) end(form, 'form_abandon')
    flush()
  })
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') flush()
  })
  const push = history.pushState
  history.pushState = (...state) => {
    push.apply(history, state)
    viewPage()
  }
  addEventListener('popstate', viewPage)
}

if (consent !== 'denied') {
  start()
  Object.assign(globalThis, { manifold: track })
}

/**
 * Runs in the browser of whoever looks: what happens shows up by itself, and texts can be copied. Pages are whole without it. It
 * builds nothing of text: rows are clones of a template, and regions come as the server made them.
 */

import type { Doc, El } from './live/dom.ts'
import { holdOf } from './live/held.ts'
import { kept } from './live/kept.ts'
import { addRow, forgetTold } from './live/tail.ts'

/** As much of a browser as is used here; what a page is made of stands in `live/dom.ts`. */
declare const document: Doc & {
  readonly currentScript: El | null
  readonly visibilityState: string
  createElement(name: string): El
  adoptNode(node: El): El
  addEventListener(type: string, heard: () => void): void
  dispatchEvent(event: Event): void
}
declare const location: { readonly href: string }
declare const navigator: { readonly clipboard?: { writeText(text: string): Promise<void> } }
declare class Event {
  constructor(type: string)
}
declare class EventSource {
  constructor(url: string)
  readonly readyState: 0 | 1 | 2
  onopen: () => void
  onerror: () => void
  addEventListener(type: string, heard: (event: { readonly data: string }) => void): void
  close(): void
}
declare class XMLHttpRequest {
  responseType: string
  timeout: number
  readonly response: Doc | null
  readonly responseURL: string
  readonly status: number
  onloadend: () => void
  open(method: string, url: string): void
  send(): void
}

const { charts: chartScript = '', typing: typingScript = '' } = document.currentScript?.dataset ?? {}

/** Charts answer to pointer and keys; what that takes is loaded when somebody first comes near one, and else never. */
function offerPoints(region: Doc): void {
  const load = (): void => void import(chartScript).catch(() => undefined)
  for (const plots of region.querySelectorAll('[data-points]')) {
    plots.setAttribute('tabindex', '0')
    plots.setAttribute('role', 'group')
    plots.setAttribute('aria-label', `${plots.dataset['title']}: a chart that the arrow keys read place by place`)
    for (const type of ['pointerenter', 'focus']) plots.addEventListener(type, load, { once: true })
  }
}

/** A copy button at every text that is there to be copied. */
function offerCopies(region: Doc): void {
  if (navigator.clipboard === undefined) return
  for (const text of region.querySelectorAll('pre')) {
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'copy quiet'
    button.textContent = 'Copy'
    button.addEventListener('click', () => {
      void navigator.clipboard?.writeText(text.textContent).then(() => {
        button.textContent = 'Copied'
        setTimeout(() => (button.textContent = 'Copy'), 1_500)
      })
    })
    text.parentElement?.append(button)
  }
}

const REGION = '[data-region]'

/** The region as it is shown; each swap makes it another one. */
let region: El | null = null
let source: EventSource | null = null
let timer: ReturnType<typeof setTimeout> | undefined
let silence: ReturnType<typeof setTimeout> | undefined
/** Counts requests for the page: only the last one's answer is shown. */
let round = 0
let isHurried = false
let isPaused = false
/** The page could not be made anew, or nobody has tried since it was hidden. */
let isOld = false
/** The stream broke off and is not there again. */
let isCut = false
/** This browser is signed in with another key or workspace than the page was made for. */
let isOfAnother = false
/** Where one signs in again; null: nobody has to. */
let signIn: string | null = null
/** Why the page may not be made anew at the moment; null: it may. */
let held: string | null = null
/** The time up to which the page is known to be right; null: up to now. */
let since: string | null = null

/** What a page asks for: where events come from, how often to look, whether events are rows of it. */
const wanted = () => {
  const { live, refresh = '0' } = region?.dataset ?? {}
  return { live, everyMs: Number(refresh), isLive: live !== undefined || refresh !== '0' }
}

/** Nobody looks, or whoever looks does not want it to change. A hidden page holds no connection: a browser has six for a hub. */
const isStill = (): boolean => isPaused || document.visibilityState !== 'visible'

const TIMEOUT_MS = 15_000
/** Numbers are written a second after what they count. */
const SOON_MS = 1_200
/** After what failed, and while somebody is busy with what would be replaced. */
const AGAIN_MS = 3_000

/** The page's region anew. `isWhole`: whatever it says, and the stream from where that page ends, so that nothing is lost between. */
function look(isWhole: boolean): void {
  clearTimeout(timer)
  if (region === null || isStill()) return
  isHurried = false
  if (isHeld(region)) return later(isWhole)
  round += 1
  const mine = round
  const request = new XMLHttpRequest()
  request.responseType = 'document'
  request.timeout = TIMEOUT_MS
  request.onloadend = () => {
    if (mine !== round || region === null || isStill()) return
    const fresh = request.status === 200 ? (request.response?.querySelector(REGION) ?? null) : null
    isOld = fresh === null
    signIn = SIGN_IN.test(request.responseURL) ? request.responseURL : null
    if (signIn !== null) return leave(region)
    isOfAnother = fresh !== null && fresh.dataset['whose'] !== region.dataset['whose']
    if (isOfAnother) {
      disconnect()
      return say()
    }
    if (fresh !== null && isHeld(region)) return later(isWhole)
    const isOther = fresh?.textContent !== region.dataset['text'] || fresh?.dataset['refresh'] === undefined
    if (fresh !== null && (isWhole || isOther)) swap(region, fresh)
    if (fresh !== null && isWhole) connect()
    say()
    later(isWhole && fresh === null)
  }
  request.open('GET', location.href)
  request.send()
}

const SIGN_IN = /^[^?]*\/sign-in(\?|$)/

/** The session has ended: what is for whoever has one is shown no longer, and nothing more is asked for. */
function leave(region: El): void {
  disconnect()
  region.textContent = ''
  say()
}

/** Says so where it is. */
function isHeld(region: El): boolean {
  held = holdOf(region)
  say()
  return held !== null
}

/** The next look, where there is to be one. */
function later(isWhole: boolean): void {
  if (isHurried) return
  const { everyMs } = wanted()
  const ms = isWhole || held !== null ? AGAIN_MS : isOld ? Math.min(everyMs, AGAIN_MS) : everyMs
  if (ms > 0) timer = setTimeout(() => look(isWhole), ms)
}

/** What happens is a reason to look sooner. */
function hurry(): void {
  if (isHurried) return
  isHurried = true
  clearTimeout(timer)
  timer = setTimeout(() => look(false), SOON_MS)
}

/** A connection that carries nothing for so long is dead, though nobody hung up: two heartbeats are missing. */
const SILENT_MS = 75_000

/** The stream, from where the page that is shown ends. */
function connect(): void {
  disconnect()
  const { live } = wanted()
  if (live === undefined || isStill()) return
  const mine = new EventSource(live)
  source = mine
  const heard = (): void => {
    clearTimeout(silence)
    silence = setTimeout(() => broken(mine, true), SILENT_MS)
  }
  mine.onopen = () => {
    heard()
    isCut = false
    say()
  }
  // The browser connects again by itself and says what it heard last, unless it was refused.
  mine.onerror = () => broken(mine, mine.readyState === 2)
  mine.addEventListener('heartbeat', heard)
  mine.addEventListener('told', ({ data }) => {
    heard()
    if (!addRow(data)) hurry()
  })
  heard()
}

function disconnect(): void {
  clearTimeout(silence)
  source?.close()
  source = null
  isCut = false
  forgetTold()
}

/** `isEnd`: nobody tries again, so the page is asked for anew, and a stream from there. */
function broken(of: EventSource, isEnd: boolean): void {
  if (of !== source) return
  isCut = true
  say()
  if (!isEnd) return
  of.close()
  isHurried = false
  clearTimeout(timer)
  timer = setTimeout(() => look(true), AGAIN_MS)
}

const CLOCK = '[data-currency]'
const clock = (): string => new Date().toISOString().slice(11, 19)

/** Above the page: whether what it shows is what there is. */
function say(): void {
  const place = document.querySelector(CLOCK)
  const text = place?.querySelector('[role=status]')
  if (place == null || text == null) return
  since = isPaused || held !== null || isOld || isCut || isOfAnother ? (since ?? clock()) : null
  const said =
    signIn !== null
      ? 'You are signed out'
      : isOfAnother
        ? 'You are signed in as someone else now'
        : isPaused
          ? `Updates held since ${since}`
          : held !== null
            ? `Updates held since ${since} ${held}`
            : since !== null
              ? `Not current since ${since}`
              : source?.readyState === 0
                ? ''
                : 'Live'
  if (text.textContent !== said) text.textContent = said
  offerSignIn(place)
  place.hidden = !wanted().isLive
  place.className = isPaused || held !== null || since === null ? 'currency' : 'currency late'
}

function offerSignIn(place: El): void {
  const old = place.querySelector('a')
  if (signIn === null) return old?.remove()
  const link = old ?? document.createElement('a')
  link.setAttribute('href', signIn)
  link.textContent = 'Sign in'
  place.append(link)
}

/** Until somebody looks again. */
function rest(): void {
  disconnect()
  clearTimeout(timer)
  isHurried = false
  isOld = true
  say()
}

/** A page that changes by itself can be told to stand still, and stands still while nobody sees it. */
function follow(): void {
  const place = document.querySelector(CLOCK)
  if (place === null || !wanted().isLive) return
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'quiet'
  button.textContent = 'Hold updates'
  place.append(button)
  button.addEventListener('click', () => {
    isPaused = !isPaused
    button.textContent = isPaused ? 'Follow again' : 'Hold updates'
    if (isPaused) return rest()
    say()
    look(true)
  })
  if (isStill()) return rest()
  connect()
  say()
  later(false)
}

/** What somebody was at goes on. */
function swap(old: El, fresh: El): void {
  const putBack = kept(old)
  fresh.dataset['text'] = fresh.textContent
  const shown = document.adoptNode(fresh)
  old.replaceWith(shown)
  region = shown
  offerCopies(shown)
  offerPoints(shown)
  putBack(shown)
  document.dispatchEvent(new Event('swapped'))
}

/** What is on the page: at first, and whenever another page has taken its place; nothing of that one goes on. */
function begin(): void {
  disconnect()
  clearTimeout(timer)
  round += 1
  isHurried = isPaused = isOld = isOfAnother = false
  held = since = signIn = null
  region = document.querySelector(REGION)
  if (region !== null) region.dataset['text'] = region.textContent
  offerCopies(document)
  offerPoints(document)
  follow()
  if (document.querySelector('[data-preview],[data-choose]') !== null) void import(typingScript).catch(() => undefined)
}

document.addEventListener('visibilitychange', () => {
  if (isPaused || !wanted().isLive) return
  if (isStill()) rest()
  else look(true)
})
document.addEventListener('moved', begin)
begin()

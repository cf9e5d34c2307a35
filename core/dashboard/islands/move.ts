/**
 * Runs in the browser of whoever looks at a list. Where one goes from there is asked for behind what is shown, and its navigation and
 * its page take the place of the old ones: what stays the same is not loaded, parsed and laid out again. Whatever is no such page,
 * fails or takes long is gone to as it would be without this.
 */

/** As much of a browser as is used here. */
interface El {
  readonly href: string
  readonly origin: string
  readonly hash: string
  closest(selector: string): El | null
  matches(selector: string): boolean
  querySelector(selector: string): El | null
  querySelectorAll(selector: string): Iterable<El> & { readonly length: number }
  hasAttribute(name: string): boolean
  getAttribute(name: string): string | null
  setAttribute(name: string, value: string): void
  getBoundingClientRect(): { readonly top: number }
  replaceWith(other: El): void
  append(child: El): void
  focus(how: { preventScroll: boolean }): void
  scrollIntoView(): void
  dispatchEvent(event: object): void
  className: string
  textContent: string
}
interface Page {
  title: string
  querySelector(selector: string): El | null
  querySelectorAll(selector: string): Iterable<El>
}
interface Happening {
  readonly target: El
  readonly submitter: El | null
  readonly button: number
  readonly pointerType: string
  readonly timeStamp: number
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly shiftKey: boolean
  readonly altKey: boolean
  readonly defaultPrevented: boolean
  preventDefault(): void
}
declare const document: Page & {
  readonly body: El
  createElement(name: string): El
  adoptNode(node: El): El
  addEventListener(type: string, heard: (event: Happening) => void): void
  dispatchEvent(event: object): void
}
declare const location: { readonly href: string; readonly origin: string; assign(url: string): void; reload(): void }
declare const history: {
  readonly state: { readonly y?: number } | null
  pushState(state: object | null, unused: string, url: string): void
  replaceState(state: object, unused: string): void
}
declare const scrollY: number
declare function scrollTo(x: number, y: number): void
declare function addEventListener(type: 'popstate', heard: () => void): void
declare function getSelection(): { readonly isCollapsed: boolean } | null
declare class Event {
  constructor(type: string)
}
declare class MouseEvent {
  constructor(type: string, like: Happening)
}
declare class FormData implements Iterable<[string, string]> {
  constructor(form: El, by: El | null)
  [Symbol.iterator](): Iterator<[string, string]>
}
declare class XMLHttpRequest {
  responseType: string
  timeout: number
  readonly readyState: number
  readonly response: Page | null
  readonly responseURL: string
  readonly status: number
  onloadend: () => void
  open(method: string, url: string): void
  send(): void
  abort(): void
}

/** What another page takes the place of. */
const PARTS = ['header.side', 'main']
/** Pages of a hub answer in a fraction of it; after that the browser's own way, which shows that it is under way, is the better one. */
const TIMEOUT_MS = 3_000
/** From the press of a button to its release. */
const PRESSED_MS = 1_000
/** What does something of its own when it is clicked. */
const OWN = 'a,button,input,select,textarea,label,summary'

/** Says to those who do not see it that another page is there. */
const said = document.createElement('p')
said.className = 'away'
said.setAttribute('role', 'status')
document.body.append(said)

const withoutHash = (url: string): string => url.split('#')[0] as string

/** Whose page is shown: the address may be ahead of it. */
let shown = withoutHash(location.href)
let current: XMLHttpRequest | null = null
/** Asked for as the button went down. */
let begun: { readonly url: string; readonly atMs: number; readonly request: XMLHttpRequest } | null = null

function ask(url: string): XMLHttpRequest {
  const request = new XMLHttpRequest()
  request.responseType = 'document'
  request.timeout = TIMEOUT_MS
  request.open('GET', url)
  request.send()
  return request
}

/** Files that a page is made with; after an update of the hub they are others. */
const filesOf = (page: Page): string =>
  [...page.querySelectorAll('head [src],head [href]')]
    .map((each) => each.getAttribute('src') ?? each.getAttribute('href'))
    .join()

/** The key and workspace it was made for. */
const whoseIs = (page: Page): string | null | undefined =>
  page.querySelector('[data-whose]')?.getAttribute('data-whose')

/** Null: something else, such as where one signs in. */
function pageOf({ status, responseURL, response }: XMLHttpRequest, url: string): Page | null {
  if (status !== 200 || responseURL !== url || response === null) return null
  const isWhole = PARTS.every((part) => response.querySelector(part) !== null)
  const isAlike = filesOf(response) === filesOf(document) && whoseIs(response) === whoseIs(document)
  return isWhole && isAlike ? response : null
}

/** `isBack`: the address says it already. */
function go(url: string, { isBack = false, request = ask(url) } = {}): void {
  const before = current
  current = request
  if (before !== request) before?.abort()
  document.querySelector('main')?.setAttribute('aria-busy', 'true')
  const end = (): void => {
    if (current !== request) return
    current = null
    const page = pageOf(request, url)
    if (page === null) return isBack ? location.reload() : location.assign(url)
    if (!isBack && url !== location.href) {
      history.replaceState({ y: scrollY }, '')
      history.pushState(null, '', url)
    }
    show(page, isBack ? (history.state?.y ?? 0) : null)
  }
  if (request.readyState === 4) end()
  else request.onloadend = end
}

/** `y`: how far down it was left; null: one comes to it. */
function show(page: Page, y: number | null): void {
  for (const part of PARTS) {
    const fresh = page.querySelector(part)
    if (fresh !== null) document.querySelector(part)?.replaceWith(document.adoptNode(fresh))
  }
  document.title = page.title
  shown = withoutHash(location.href)
  document.dispatchEvent(new Event('moved'))
  const rows = document.querySelector('[data-rows]')
  const title = document.querySelector('h1')
  title?.setAttribute('tabindex', '-1')
  const place = document.querySelector('main [autofocus]') ?? rows ?? title
  place?.focus({ preventScroll: true })
  if (y !== null) scrollTo(0, y)
  else if (rows === null) scrollTo(0, 0)
  else if (rows.getBoundingClientRect().top < 0) rows.scrollIntoView()
  const count = rows?.querySelectorAll('tbody tr').length ?? 0
  const found = count === 0 ? (rows?.textContent.trim() ?? '') : `${count} ${count === 1 ? 'row' : 'rows'}`
  said.textContent = `${title?.textContent} ${found}`
}

/** What a click there opens: itself, or what its row is about. */
function linkOf(target: El): El | null {
  const own = target.closest(OWN)
  if (own !== null) return own.matches('main[data-list] a[href]') ? own : null
  return target.closest('main[data-list] .rows tbody tr')?.querySelector('a[href]') ?? null
}

/** Null: it is not for here. */
const urlOf = (link: El): string | null =>
  link.hasAttribute('download') || link.hasAttribute('target') || link.origin !== location.origin || link.hash !== ''
    ? null
    : link.href

/** Whoever holds a key wants it elsewhere: in another tab, or saved. */
const isPlain = ({ button, ctrlKey, metaKey, shiftKey, altKey }: Happening): boolean =>
  button === 0 && !ctrlKey && !metaKey && !shiftKey && !altKey

document.addEventListener('pointerdown', (event) => {
  const link = event.pointerType === 'mouse' && isPlain(event) ? linkOf(event.target) : null
  const url = link === null ? null : urlOf(link)
  begun?.request.abort()
  begun = url === null ? null : { url, atMs: event.timeStamp, request: ask(url) }
})

document.addEventListener('click', (event) => {
  if (event.defaultPrevented) return
  const link = linkOf(event.target)
  if (link === null) return
  const isBeside = event.target.closest('a') !== link
  // Whoever has marked something in a row wants that, and not to leave.
  if (isBeside && getSelection()?.isCollapsed === false) return
  const url = urlOf(link)
  if (url === null || !isPlain(event)) {
    if (isBeside) link.dispatchEvent(new MouseEvent('click', event))
    return
  }
  event.preventDefault()
  const pressed = begun?.url === url && event.timeStamp - begun.atMs < PRESSED_MS ? begun : null
  begun = null
  go(url, pressed === null ? {} : { request: pressed.request })
})

document.addEventListener('submit', (event) => {
  const form = event.target
  if (event.defaultPrevented || !form.matches('main[data-list] form.filters')) return
  event.preventDefault()
  const asked = new URLSearchParams([...new FormData(form, event.submitter)].filter(([, value]) => value !== ''))
  const path = new URL(form.getAttribute('action') ?? '', location.href)
  path.search = asked.toString()
  go(path.href)
})

addEventListener('popstate', () => {
  const url = withoutHash(location.href)
  if (url !== shown) go(url, { isBack: true })
})

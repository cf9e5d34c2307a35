/**
 * Loaded on pages where somebody puts something together: a form's preview follows what is typed, and choices follow what was
 * chosen. What is shown is the server's: nothing is made of text here, and the pages work without it.
 */
export {}

interface Doc {
  querySelector(selector: string): El | null
  querySelectorAll(selector: string): Iterable<El>
}
interface El extends Doc {
  readonly dataset: { [name: string]: string | undefined }
  readonly parentElement: El | null
  readonly id: string
  value: string
  open: boolean
  hidden: boolean
  cloneNode(deep: boolean): El
  closest(selector: string): El | null
  matches(selector: string): boolean
  getAttribute(name: string): string | null
  setAttribute(name: string, value: string): void
  removeAttribute(name: string): void
  append(child: El): void
  replaceWith(other: El): void
  remove(): void
  requestSubmit(by: El): void
  focus(how: { preventScroll: boolean }): void
  addEventListener(type: string, heard: () => void): void
}
declare const document: Doc & {
  readonly activeElement: El | null
  adoptNode(node: El): El
  addEventListener(type: string, heard: (event: { readonly target: El | null }) => void): void
}
declare class FormData {
  constructor(form: El)
  [Symbol.iterator](): Iterator<[string, string]>
}
declare class XMLHttpRequest {
  responseType: string
  timeout: number
  readonly response: Doc | null
  readonly status: number
  onloadend: () => void
  open(method: string, url: string): void
  setRequestHeader(name: string, value: string): void
  send(body?: string): void
}

const TIMEOUT_MS = 15_000
const TYPING_MS = 400

const typedIn = (form: El): URLSearchParams => new URLSearchParams([...new FormData(form)])

/** Null: there is no answer. */
function ask(method: string, url: string, body?: URLSearchParams): Promise<Doc | null> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest()
    request.responseType = 'document'
    request.timeout = TIMEOUT_MS
    request.onloadend = () => resolve(request.status === 200 ? request.response : null)
    request.open(method, url)
    if (body !== undefined) request.setRequestHeader('content-type', 'application/x-www-form-urlencoded')
    request.send(body?.toString())
  })
}

/** What is typed, shown once it is whole; until then what was shown stays, and what is missing is said above it. */
function preview(form: El, button: El): void {
  let round = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const look = async (): Promise<void> => {
    round += 1
    const mine = round
    const typed = typedIn(form)
    // What was made of something is made anew.
    for (const input of form.querySelectorAll('[data-made]'))
      if (input.value === input.dataset['made']) typed.set(input.id, '')
    const answer = await ask('POST', button.dataset['preview'] ?? '', typed)
    if (mine !== round || answer === null) return
    for (const made of answer.querySelectorAll('[data-for]'))
      fillIn(form.querySelector(`#${made.dataset['for']}`), made)
    const isWhole = say(answer.querySelector('[data-missing]'))
    if (isWhole) show(form, { button, n: mine })
  }
  form.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(() => void look(), TYPING_MS)
  })
  button.hidden = true
  void look()
}

/** A type that asks for more of its field shows where that is typed. */
function openMore(target: El | null): void {
  const more = target?.closest('.field-row')?.querySelector('[data-opens]')
  if (more?.dataset['opens']?.split(' ').includes(target?.value ?? '') === true) more.open = true
}

/** Nobody typed it themselves, and nobody is at it. */
function fillIn(input: El | null, made: El): void {
  if (input === null || input === document.activeElement) return
  if (input.value !== '' && input.value !== input.dataset['made']) return
  input.value = input.dataset['made'] = made.getAttribute('value') ?? ''
}

/** True: nothing is missing. */
function say(missing: El | null): boolean {
  const place = document.querySelector('[data-missing]')
  if (place === null) return missing === null
  if (missing === null) place.hidden = true
  else place.replaceWith(document.adoptNode(missing))
  return missing === null
}

/** In a frame of its own each time, so that the way back is not filled with them. */
function show(form: El, { button, n }: { readonly button: El; readonly n: number }): void {
  const old = document.querySelector('iframe.preview')
  if (old === null) return
  const fresh = old.cloneNode(false)
  fresh.removeAttribute('src')
  // A frame keeps for good the name that it was made with, as far as targets are concerned.
  fresh.setAttribute('name', `preview-${n}`)
  button.setAttribute('formtarget', `preview-${n}`)
  fresh.hidden = true
  old.parentElement?.append(fresh)
  fresh.addEventListener('load', () => {
    fresh.hidden = false
    for (const frame of document.querySelectorAll('iframe')) {
      if (frame === fresh) return
      frame.remove()
    }
  })
  form.requestSubmit(button)
}

let chosen = 0

/** Once something was chosen that others depend on: the same form, with what can be chosen now. */
async function choose(form: El): Promise<void> {
  chosen += 1
  const mine = chosen
  const typed = typedIn(form).toString()
  const answer = await ask('GET', `${form.getAttribute('action')}?${typed}&choose=1`)
  const fresh = answer?.querySelector('[data-choose]') ?? null
  if (mine !== chosen || fresh === null) return
  // What was typed meanwhile is not to be lost.
  if (typedIn(form).toString() !== typed) return choose(form)
  const focused = document.activeElement?.closest('[data-choose]') === form ? document.activeElement.id : ''
  const shown = document.adoptNode(fresh)
  form.replaceWith(shown)
  if (focused !== '') shown.querySelector(`#${focused}`)?.focus({ preventScroll: true })
}

document.addEventListener('change', ({ target }) => {
  openMore(target)
  const form = target?.closest('[data-choose]') ?? null
  if (form !== null && target?.matches('[data-renews]') === true) void choose(form)
})

/** Where there is a preview on the page; another page may take its place. */
function begin(): void {
  const [edited, button] = [document.querySelector('#edit'), document.querySelector('[data-preview]')]
  if (edited !== null && button !== null) preview(edited, button)
}

document.addEventListener('moved', begin)
begin()

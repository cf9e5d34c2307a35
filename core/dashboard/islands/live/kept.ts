/** What somebody was at outlives that a part of the page is made anew: the focus, what is open, how far it was moved, the place in a chart. */
import type { El } from './dom.ts'

declare const document: { readonly activeElement: El | null }

/** Where an element stands, by what does not change with what it says. */
interface Place {
  /** Of what it is in. */
  readonly scope: string | null
  readonly kind: string
  /** Among those of its kind there. */
  readonly at: number
}

const FOCUSABLE = 'a,button,summary,[tabindex]'
const SCOPE = '[id],[data-key]'

/** To be asked before the old part goes; what it answers puts all of it back into the new one. */
export function kept(old: El): (fresh: El) => void {
  const active = document.activeElement
  const focused = active !== null && active !== old && old.contains(active) ? placeOf(old, active) : null
  const opened = [...old.querySelectorAll('details')].map((each) => ({
    open: each.open === true,
    place: placeOf(old, each),
  }))
  const moved = [...old.querySelectorAll('[tabindex]')]
    .filter(({ scrollTop, scrollLeft }) => scrollTop !== 0 || scrollLeft !== 0)
    .map((each) => ({ top: each.scrollTop, left: each.scrollLeft, place: placeOf(old, each) }))
  const pointed = [...old.querySelectorAll('[data-at]')].map((each) => ({
    at: each.dataset['at'],
    place: placeOf(old, each),
  }))
  return (fresh) => {
    for (const { open, place } of opened) {
      const each = find(fresh, place)
      if (each !== null) each.open = open
    }
    for (const { top, left, place } of moved) {
      const each = find(fresh, place)
      if (each !== null) [each.scrollTop, each.scrollLeft] = [top, left]
    }
    for (const { at, place } of pointed) {
      const each = find(fresh, place)
      if (each !== null) each.dataset['at'] = at
    }
    if (focused !== null) focus(find(fresh, focused) ?? scopeOf(fresh, focused))
  }
}

/** Where what had the focus is gone, keys go on from what it was in. */
function focus(at: El): void {
  if (!at.matches(FOCUSABLE)) at.setAttribute('tabindex', '-1')
  at.focus({ preventScroll: true })
}

const keyOf = ({ id, dataset }: El): string => `${id} ${dataset['key'] ?? ''}`

/** A link is told by where it leads, and one to another page of a list by that, since that place moves; a button by what it sends. */
function kindOf(of: El): string {
  const leads = of.matches('[rel=next],[rel=prev]') ? of.getAttribute('rel') : of.getAttribute('href')
  const form = of.tagName === 'BUTTON' ? of.closest('form') : null
  const sent = [...(form?.querySelectorAll('[type=hidden]') ?? [])].map(
    (each) => `${each.getAttribute('name')}=${each.getAttribute('value')}`,
  )
  return [
    of.tagName,
    keyOf(of),
    of.getAttribute('role'),
    leads,
    of.getAttribute('name'),
    of.getAttribute('value'),
    form?.getAttribute('action'),
    ...sent,
  ].join(' ')
}

function placeOf(region: El, of: El): Place {
  const near = of.parentElement?.closest(SCOPE) ?? null
  const scope = near !== null && near !== region && region.contains(near) ? near : null
  const kind = kindOf(of)
  return { scope: scope === null ? null : keyOf(scope), kind, at: alike(scope ?? region, kind).indexOf(of) }
}

const scopeOf = (region: El, { scope }: Place): El =>
  scope === null ? region : ([...region.querySelectorAll(SCOPE)].find((each) => keyOf(each) === scope) ?? region)

const alike = (scope: El, kind: string): readonly El[] =>
  [...scope.querySelectorAll(`${FOCUSABLE},details`)].filter((each) => kindOf(each) === kind)

const find = (region: El, place: Place): El | null => alike(scopeOf(region, place), place.kind)[place.at] ?? null

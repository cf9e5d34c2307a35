/** Events as rows of the page: what is told between two pictures of it is put above the others at once, and only as far as it stays. */
import type { Doc, El } from './dom.ts'

declare const document: Doc
declare function requestAnimationFrame(then: () => void): number

const ROWS_MAX = 500

/** Told and not shown yet, the newest last. */
let told: string[] = []

/** False: events are no rows of this page. */
export function addRow(data: string): boolean {
  if (document.querySelector('[data-tail]') === null) return false
  told.push(data)
  if (told.length === 1) requestAnimationFrame(show)
  if (told.length > ROWS_MAX) told.shift()
  return true
}

/** The page is asked for anew, and has them. */
export function forgetTold(): void {
  told = []
}

function show(): void {
  const table = document.querySelector('[data-tail]')
  const row = document.querySelector('template')?.content.querySelector('tr')
  const rows = told.reverse()
  told = []
  if (table === null || row == null || rows.length === 0) return
  table.prepend(...rows.map((data) => filled(row.cloneNode(true), data)))
  document.querySelector('.empty')?.remove()
  while (table.children.length > ROWS_MAX) table.lastElementChild?.remove()
}

function filled(row: El, data: string): El {
  const event = JSON.parse(data) as { readonly [name: string]: unknown }
  for (const cell of row.querySelectorAll('[data-of]')) cell.textContent = textOf(event, cell.dataset['of'] ?? '')
  row.querySelector('a')?.setAttribute('href', `/events/${encodeURIComponent(String(event['id']))}`)
  return row
}

function textOf(event: { readonly [name: string]: unknown }, name: string): string {
  if (name === 'time') return String(event['at']).slice(11, 19)
  const value = event[name]
  if (value === null || value === undefined) return '–'
  return typeof value === 'string' ? value : JSON.stringify(value).slice(0, 200)
}

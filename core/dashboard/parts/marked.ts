/** A text with the words in it that somebody searches for set off, as the search of answers finds them: anywhere, in any case. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'

/** `sought` is what was typed; undefined where nothing was. */
export function marked(text: string, sought: string | undefined): string | Html {
  const words = (sought ?? '').split(/\s+/).filter((word) => word !== '')
  if (words.length === 0) return text
  const longestFirst = words
    .toSorted((a, b) => b.length - a.length)
    .map((word) => word.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`))
  const pieces = text.split(new RegExp(`(${longestFirst.join('|')})`, 'iu'))
  return html`${pieces.map((piece, at) => (at % 2 === 1 ? html`<mark>${piece}</mark>` : piece))}`
}

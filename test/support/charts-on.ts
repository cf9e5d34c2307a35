/** The charts of a page in a browser: that each is a sentence and a table as well, for whoever cannot see the picture, and is not cut. */
import type { Page } from 'playwright-core'

interface El {
  readonly id: string
  readonly className: string
  readonly textContent: string
  readonly outerHTML: string
  querySelector(selector: string): El | null
  querySelectorAll(selector: string): Iterable<El>
  closest(selector: string): El | null
  getBoundingClientRect(): { readonly left: number; readonly right: number; readonly width: number }
}

export interface ChartsOn {
  /** Ids of those that have both; a small line of the first page has none, and is `spark`. */
  readonly whole: readonly string[]
  /** What is lacking, what is cut, and where a picture stands outside a chart. */
  readonly faults: readonly string[]
}

/** Of the page as it is shown. */
export const chartsOn = (page: Page): Promise<ChartsOn> =>
  page.evaluate(() => {
    const { document } = globalThis as unknown as { readonly document: El }
    const PICTURES = 'svg, .heat, .bars, .tree, .path'
    const faults: string[] = []
    const whole: string[] = []
    for (const figure of document.querySelectorAll('figure.chart')) {
      const name = figure.id === '' ? 'spark' : figure.id
      const cells = [...figure.querySelectorAll('details table tbody td')]
      const lacks = [
        ...((figure.querySelector('figcaption p')?.textContent ?? '').trim() === '' ? ['a sentence'] : []),
        ...(cells.some(({ textContent }) => /\d/.test(textContent)) ? [] : ['a table with numbers']),
        ...(figure.querySelector(PICTURES) === null ? ['a picture'] : []),
      ]
      if (lacks.length === 0) whole.push(name)
      else faults.push(`${name} lacks ${lacks.join(', ')}`)
    }
    for (const picture of document.querySelectorAll(PICTURES.replaceAll(/(^|, )/g, '$1main ')))
      if (picture.closest('figure.chart') === null) faults.push(`outside of a chart: ${picture.outerHTML.slice(0, 80)}`)
    for (const text of document.querySelectorAll('.drawn svg text')) {
      const [own, all] = [text, text.closest('svg') ?? text].map((each) => each.getBoundingClientRect())
      if (own === undefined || all === undefined || own.width === 0) continue
      if (own.left < all.left - 1 || own.right > all.right + 1) faults.push(`cut at the edge: ${text.textContent}`)
    }
    return { whole, faults }
  })

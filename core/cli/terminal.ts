/** What commands say: data on stdout, chatter on stderr; tables and bars for people, JSON for programs. */
import { stripVTControlCharacters, styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface Progress {
  /** 0 to 1. */
  set(fraction: number): void
  /** Takes the bar away. */
  done(): void
}

const BAR_CHARS = 30
const CELL_CHARS_MAX = 60

export class Terminal {
  readonly #out: Output
  readonly #err: Output
  readonly #color: boolean

  /** `color: false` is what NO_COLOR asks for; without a terminal there is none anyway. */
  constructor(streams: { out: Output; err: Output; color: boolean }) {
    this.#out = streams.out
    this.#err = streams.err
    this.#color = streams.color
  }

  get interactive(): boolean {
    return this.#err.isTTY === true
  }

  /** A line of data. */
  line(text: string): void {
    this.#out.write(`${text}\n`)
  }

  json(value: unknown): void {
    this.#out.write(`${JSON.stringify(value, null, 2)}\n`)
  }

  /** A line for whoever watches. */
  say(text: string): void {
    this.#err.write(`${text}\n`)
  }

  /** Styles text for stdout. */
  paint(style: Style, text: string): string {
    return this.#color && this.#out.isTTY === true ? styleText(style, text, { validateStream: false }) : text
  }

  /** Rows under headings, as wide as they need to be; an empty list says so on stderr. */
  table(headings: readonly string[], rows: readonly (readonly (string | number | null | undefined)[])[]): void {
    if (rows.length === 0) return this.say('(none)')
    const cells = rows.map((row) => row.map((cell) => cut(String(cell ?? '-'), this.#out.isTTY === true)))
    const widths = headings.map((heading, n) => Math.max(heading.length, ...cells.map((row) => width(row[n] ?? ''))))
    const line = (row: readonly string[]) =>
      row
        .map((cell, n) => cell + ' '.repeat((widths[n] ?? 0) - width(cell)))
        .join('  ')
        .trimEnd()
    this.line(this.paint('bold', line(headings.map((heading) => heading.toUpperCase()))))
    for (const row of cells) this.line(line(row))
  }

  /** A bar on a terminal; elsewhere one line at the start. */
  progress(label: string): Progress {
    if (!this.interactive) {
      this.say(`${label} ...`)
      return { set: () => {}, done: () => {} }
    }
    let last = -1
    return {
      set: (fraction) => {
        const percent = Math.floor(Math.min(1, Math.max(0, fraction)) * 100)
        if (percent === last) return
        last = percent
        const full = Math.round((percent / 100) * BAR_CHARS)
        this.#err.write(`\r\x1b[2K${label} [${'#'.repeat(full)}${'.'.repeat(BAR_CHARS - full)}] ${percent} %`)
      },
      done: () => void this.#err.write('\r\x1b[2K'),
    }
  }
}

const width = (text: string): number => stripVTControlCharacters(text).length

/** On a terminal long cells are cut; a program that reads the table gets them whole. Control characters never get through. */
function cut(text: string, short: boolean): string {
  // oxlint-disable-next-line no-control-regex -- what a stranger wrote into an error must not move the cursor
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f]+(?!\[)/g, ' ')
  return short && width(plain) > CELL_CHARS_MAX && plain === stripVTControlCharacters(plain)
    ? `${plain.slice(0, CELL_CHARS_MAX - 1)}…`
    : plain
}

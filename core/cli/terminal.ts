/** What commands say: data on stdout, chatter on stderr; tables and bars for people, JSON for programs. */
import { styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Text with a look of its own; only the terminal turns the look into escapes. */
export interface Painted {
  readonly style: Style
  readonly text: string
}

/** A part of a line. */
export type Piece = string | Painted

export type Cell = Piece | number | null | undefined

export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface Progress {
  /** 0 to 1; `note` says more, behind the bar. */
  set(fraction: number, note?: string): void
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

  /** A line of data, or some: line breaks stay, no other control character gets through. */
  line(...pieces: readonly Piece[]): void {
    const shown = pieces.map((piece) =>
      typeof piece === 'string' ? harmless(piece) : this.#styled(piece.style, harmless(piece.text)),
    )
    this.#out.write(`${shown.join('')}\n`)
  }

  json(value: unknown): void {
    this.#out.write(`${jsonText(value)}\n`)
  }

  /** In the place of what `say` would tell of a failure; standard output stays data. */
  jsonError(value: unknown): void {
    this.#err.write(`${jsonText(value)}\n`)
  }

  /** A line for whoever watches. */
  say(text: string): void {
    this.#err.write(`${harmless(text)}\n`)
  }

  /** The same with styled parts. */
  note(...pieces: readonly Piece[]): void {
    const shown = pieces.map((piece) =>
      typeof piece === 'string' ? harmless(piece) : this.#styled(piece.style, harmless(piece.text), this.#err),
    )
    this.#err.write(`${shown.join('')}\n`)
  }

  /** Text that is styled where it is shown on a terminal. */
  paint(style: Style, text: string): Painted {
    return { style, text }
  }

  #styled(style: Style, text: string, on: Output = this.#out): string {
    return this.#color && on.isTTY === true ? styleText(style, text, { validateStream: false }) : text
  }

  /** Rows under headings, as wide as they need to be; an empty list says so on stderr. */
  table(headings: readonly string[], rows: readonly (readonly Cell[])[]): void {
    if (rows.length === 0) return this.say('(none)')
    const cells = rows.map((row) => row.map((cell) => cut(cell, this.#out.isTTY === true)))
    const widths = headings.map((heading, n) =>
      cells.reduce((most, row) => Math.max(most, row[n]?.text.length ?? 0), heading.length),
    )
    const gap = (text: string, n: number): string => ' '.repeat((widths[n] ?? 0) - text.length)
    const heading = headings.map((text, n) => text.toUpperCase() + gap(text, n)).join('  ')
    this.line(this.paint('bold', heading.trimEnd()))
    for (const row of cells) {
      const shown = row.map(({ text, style }, n) => (style ? this.#styled(style, text) : text) + gap(text, n))
      this.#out.write(`${shown.join('  ').trimEnd()}\n`)
    }
  }

  /** A bar on a terminal; elsewhere one line at the start. */
  progress(title: string): Progress {
    const label = oneLine(title)
    if (!this.interactive) {
      this.say(`${label} ...`)
      return { set: () => {}, done: () => {} }
    }
    let last = ''
    return {
      set: (fraction, note = '') => {
        const percent = Math.floor(Math.min(1, Math.max(0, fraction)) * 100)
        const full = Math.round((percent / 100) * BAR_CHARS)
        const bar = `[${'#'.repeat(full)}${'.'.repeat(BAR_CHARS - full)}] ${percent} %`
        const shown = note === '' ? `${label} ${bar}` : `${label} ${bar}  ${oneLine(note)}`
        if (shown === last) return
        last = shown
        this.#err.write(`\r\x1b[2K${shown}`)
      },
      done: () => void this.#err.write('\r\x1b[2K'),
    }
  }
}

/** JSON escapes only some of the control characters by itself. */
const jsonText = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(
    /[\u007f-\u009f]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** What a stranger wrote must neither move the cursor nor ring the bell; line breaks and tabs are ours to use. */
const harmless = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- they are what is taken out
  text.replace(/\r\n/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]+/g, ' ')

/** The same for text that has to stay on its line. */
export const oneLine = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- they are what is taken out
  text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')

/** On a terminal long cells are cut; a program that reads the table gets them whole. */
function cut(cell: Cell, short: boolean): { text: string; style: Style | null } {
  const { text, style } = cell !== null && typeof cell === 'object' ? cell : { text: String(cell ?? '-'), style: null }
  const plain = oneLine(text)
  return { text: short && plain.length > CELL_CHARS_MAX ? `${plain.slice(0, CELL_CHARS_MAX - 1)}…` : plain, style }
}

/** `manifold.yaml` as plain data with the place of every value and key, variables expanded, and every mistake YAML itself can hold. */
import type { Document, Node, Pair } from 'yaml'
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, Scalar } from 'yaml'
import type { LIMITS } from '../limits.ts'
import { expand } from './expand.ts'
import type { ConfigProblem, Place } from './config.ts'
import { explainYaml } from './yaml-mistakes.ts'

export type Path = readonly (string | number)[]

/** What `readDocument` found. `value` is only meaningful without `fatal` problems. */
export interface ConfigTree {
  readonly value: unknown
  /** The text is no YAML (or too much of it): nothing else can be said about it. */
  readonly fatal: readonly ConfigProblem[]
  /** Variables that could not be expanded; their values are empty strings. */
  readonly missing: readonly ConfigProblem[]
  /** Where the value at this path stands, or the nearest thing around it that exists. */
  placeOf(path: Path): Place
  /** Where the key of this path stands. */
  keyPlaceOf(path: Path): Place
  /** True for a value that came out of a variable, or lies in one that did: text, whatever it looks like. */
  isExpanded(path: Path): boolean
}

export interface DocumentInput {
  readonly file: string
  readonly text: string
  /** Null: values stay as they were typed. */
  readonly env: Readonly<Record<string, string | undefined>> | null
  readonly limits: Pick<typeof LIMITS, 'configNodesMax' | 'configDepthMax' | 'configAliasesMax'>
}

/** `installations[0].with.url`; a key that is no plain word is quoted. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    if (/^[A-Za-z_$][\w$-]*$/.test(part)) return text === '' ? part : `${text}.${part}`
    return `${text}[${JSON.stringify(part)}]`
  }, '')
}

const idOf = (path: Path): string => JSON.stringify(path)

/** Parses the text; never throws. */
export function readDocument(input: DocumentInput): ConfigTree {
  const lines = new LineCounter()
  const document = parseDocument(input.text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    version: '1.2',
    logLevel: 'silent',
  })
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file: input.file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const walk = new Walk(document, input, placeAt)
  const complaints = [...document.errors, ...document.warnings].map(({ code, message, pos: [offset] }) => ({
    code,
    message,
    offset,
  }))
  for (const { offset, message, hint } of explainYaml(input.text, complaints))
    walk.fatal.push({ place: placeAt(offset), path: '', message, hint })
  const value =
    walk.fatal.length === 0 && document.contents
      ? walk.visit(document.contents, { path: [], depth: 0, at: undefined })
      : null
  const nearestIn = (offsets: ReadonlyMap<string, number>, path: Path): Place => {
    for (let length = path.length; length >= 0; length--) {
      const part = idOf(path.slice(0, length))
      const offset =
        (length === path.length ? offsets.get(part) : undefined) ?? walk.keys.get(part) ?? walk.values.get(part)
      if (offset !== undefined) return placeAt(offset)
    }
    return { file: input.file, line: 1, column: 1 }
  }
  return {
    value,
    fatal: walk.fatal,
    missing: walk.missing,
    placeOf: (path) => nearestIn(walk.values, path),
    keyPlaceOf: (path) => nearestIn(walk.keys, path),
    isExpanded: (path) => path.some((_, index) => walk.expanded.has(idOf(path.slice(0, index + 1)))),
  }
}

/** Where the walk stands. `at` is the offset of the alias it came through, if it did. */
interface Spot {
  readonly path: Path
  readonly depth: number
  readonly at: number | undefined
}

interface PlacedSpot extends Spot {
  readonly at: number
}

/** One pass over the nodes, building the plain value; counts what it visits, so aliases cannot multiply into a bomb. */
class Walk {
  readonly values = new Map<string, number>()
  readonly keys = new Map<string, number>()
  readonly expanded = new Set<string>()
  readonly fatal: ConfigProblem[] = []
  readonly missing: ConfigProblem[] = []
  readonly #document: Document.Parsed
  readonly #input: DocumentInput
  readonly #placeAt: (offset: number) => Place
  #nodes = 0
  #aliases = 0
  #full = false

  constructor(document: Document.Parsed, input: DocumentInput, placeAt: (offset: number) => Place) {
    this.#document = document
    this.#input = input
    this.#placeAt = placeAt
  }

  visit(node: Node, spot: Spot): unknown {
    const { configNodesMax, configDepthMax } = this.#input.limits
    const here = { ...spot, at: spot.at ?? node.range?.[0] ?? 0 }
    if (this.#full) return null
    if (++this.#nodes > configNodesMax) {
      return this.#stop(here, `more than ${configNodesMax} values`, 'aliases repeat what they name: write less of it')
    }
    if (spot.depth > configDepthMax) {
      const what = `nested more than ${configDepthMax} levels deep`
      return this.#stop(here, what, 'an alias must not stand inside what it names')
    }
    this.values.set(idOf(spot.path), here.at)
    if (isAlias(node)) return this.#alias(node, here)
    if (isMap(node)) return this.#map(node.items as Pair<Node, Node | null>[], spot)
    if (isSeq(node)) {
      return node.items.map((item, index) =>
        this.visit(item as Node, { ...spot, path: [...spot.path, index], depth: spot.depth + 1 }),
      )
    }
    return isScalar(node) ? this.#scalar(node, here) : null
  }

  /** What the alias stands for is told at the alias: that is the line to look at. */
  #alias(node: Node & { resolve(document: Document): unknown; source: string }, spot: PlacedSpot): unknown {
    const { configAliasesMax } = this.#input.limits
    if (++this.#aliases > configAliasesMax) {
      return this.#stop(spot, `more than ${configAliasesMax} aliases`, 'write the values out')
    }
    const target = node.resolve(this.#document) as Node | undefined
    if (!target) return this.#stop(spot, `no "&${node.source}" before "*${node.source}"`, null)
    return this.visit(target, { ...spot, depth: spot.depth + 1 })
  }

  #map(pairs: readonly Pair<Node, Node | null>[], { path, depth, at }: Spot): unknown {
    const value: Record<string, unknown> = {}
    for (const pair of pairs) {
      const key = String(pair.key instanceof Scalar ? pair.key.value : pair.key)
      const keyOffset = at ?? pair.key.range?.[0] ?? 0
      const inner = [...path, key]
      this.keys.set(idOf(inner), keyOffset)
      if (key === '__proto__') {
        const place = this.#placeAt(keyOffset)
        const message = '"__proto__" cannot be a key here'
        this.fatal.push({ place, path: formatPath(inner), message, hint: 'choose another name' })
        continue
      }
      value[key] = pair.value === null ? null : this.visit(pair.value, { path: inner, depth: depth + 1, at })
    }
    return value
  }

  #scalar(node: Scalar, { path, at }: PlacedSpot): unknown {
    const { env } = this.#input
    if (typeof node.value !== 'string') return typeof node.value === 'bigint' ? Number(node.value) : node.value
    if (env === null) return node.value
    const result = expand(node.value, env)
    if (result.expanded) this.expanded.add(idOf(path))
    for (const problem of result.problems) {
      this.missing.push({ place: this.#placeAt(at), path: formatPath(path), ...problem })
    }
    return result.text
  }

  #stop({ path, at }: PlacedSpot, what: string, hint: string | null): null {
    this.#full = true
    this.fatal.push({ place: this.#placeAt(at), path: formatPath(path), message: `the file has ${what}`, hint })
    return null
  }
}

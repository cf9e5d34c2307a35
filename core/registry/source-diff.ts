/** What changed between two versions of a plugin, as text: read out of the manifests and of the sources that bundles carry. */
import { diff as diffLines } from 'node:util'
import type { OnDisk } from './pinning.ts'

export interface SourceChange {
  /** As the plugin's folder has it; `plugin.json` is the manifest as it was read. */
  readonly path: string
  readonly change: 'added' | 'removed' | 'changed'
  /** Lines. */
  readonly added: number
  readonly removed: number
}

export interface SourceDiff {
  /** Own files first, then packages. None: the same sources were bundled otherwise. */
  readonly files: readonly SourceChange[]
  /** Unified. */
  readonly text: string
  /** False: files, lines or ends of lines were left out. */
  readonly isWhole: boolean
}

const CONTEXT_LINES = 3
/** Of two texts together, without what they begin and end with alike: the time and memory of a diff grow with its square. */
const COMPARED_LINES_MAX = 2_000
/** Of all files of a diff together; what is beyond is shown as gone and come, line by line. */
const COMPARED_LINES_ALL_MAX = 10_000
const LINE_CHARS_MAX = 500
const FILES_MAX = 200

/** `bytesMax` bounds the text. */
export function sourceDiff(before: OnDisk, now: OnDisk, bytesMax: number): SourceDiff {
  const [old, recent] = [sourcesOf(before), sourcesOf(now)]
  const paths = [...new Set([...old.keys(), ...recent.keys()])].filter((path) => old.get(path) !== recent.get(path))
  const room: Room = { bytes: bytesMax, lines: COMPARED_LINES_ALL_MAX }
  // One after the other: what is cut off anyway is never made.
  const files: SourceChange[] = []
  const texts: string[] = []
  let isWhole = paths.length <= FILES_MAX
  for (const path of paths.toSorted(ownFirst).slice(0, FILES_MAX)) {
    const { file, text, isWhole: isAll } = fileDiff(path, { before: old.get(path), now: recent.get(path) }, room)
    files.push(file)
    texts.push(text)
    isWhole &&= isAll
  }
  return { files, text: texts.join(''), isWhole }
}

/** What is left for the files that come next. */
interface Room {
  bytes: number
  /** To be compared. */
  lines: number
}

/** By path. The bundle says all that went into it, see `Sources.complete`. */
function sourcesOf({ manifest, bundle }: OnDisk): ReadonlyMap<string, string> {
  const { sources, sourcesContent } = JSON.parse(bundle.sourceMap) as {
    readonly sources: readonly string[]
    readonly sourcesContent: readonly (string | null)[]
  }
  return new Map([
    ['plugin.json', JSON.stringify(manifest, null, 2)],
    // Two of one path are two: none hides behind the other.
    ...sources.map((path, n): [string, string] => [
      sources.indexOf(path) === n ? path : `${path}#${n}`,
      sourcesContent[n] ?? '',
    ]),
  ])
}

const ownFirst = (a: string, b: string): number => rank(a) - rank(b) || (a < b ? -1 : 1)
const rank = (path: string): number => (/(^|\/)node_modules\//.test(path) ? 1 : 0)

interface FileDiff {
  readonly file: SourceChange
  readonly text: string
  readonly isWhole: boolean
}

interface Texts {
  readonly before: string | undefined
  readonly now: string | undefined
}

function fileDiff(path: string, { before, now }: Texts, room: Room): FileDiff {
  const steps = stepsBetween(linesOf(before), linesOf(now), room)
  const count = (kind: Step[0]): number => steps.filter(([each]) => each === kind).length
  const change = before === undefined ? 'added' : now === undefined ? 'removed' : 'changed'
  const names = [before === undefined ? '/dev/null' : `granted/${path}`, now === undefined ? '/dev/null' : path]
  const head = [`--- ${visible(names[0] as string)}`, `+++ ${visible(names[1] as string)}`]
  const written = room.bytes > 0 ? [...head, ...hunks(steps, room.bytes)] : []
  const lines = written.map(shortened)
  const isShortened = lines.some((line, n) => line !== written[n])
  const all = lines.map((line) => `${line}\n`).join('')
  const text = cutAtLine(all, room.bytes)
  const isCut = written.length === 0 || text.length < all.length
  // What comes after a gap could be taken for what belongs before it.
  room.bytes = isCut ? 0 : room.bytes - Buffer.byteLength(text)
  return {
    file: { path: visible(path), change, added: count(ADDED), removed: count(REMOVED) },
    text,
    isWhole: !isCut && !isShortened,
  }
}

const linesOf = (text: string | undefined): readonly string[] => (text === undefined ? [] : text.split('\n'))

const [REMOVED, SAME, ADDED] = [-1, 0, 1] as const
const MARKS = { [REMOVED]: '-', [SAME]: ' ', [ADDED]: '+' } as const

/** A line, and whether it goes, stays or is new. */
type Step = readonly [kind: typeof REMOVED | typeof SAME | typeof ADDED, line: string]

function stepsBetween(before: readonly string[], now: readonly string[], room: Room): readonly Step[] {
  const most = Math.min(before.length, now.length)
  let head = 0
  while (head < most && before[head] === now[head]) head++
  let tail = 0
  while (tail < most - head && before.at(-1 - tail) === now.at(-1 - tail)) tail++
  const [gone, come] = [before.slice(head, before.length - tail), now.slice(head, now.length - tail)]
  const compared = gone.length + come.length
  const isTooMuch = compared > Math.min(COMPARED_LINES_MAX, room.lines)
  if (!isTooMuch) room.lines -= compared
  const middle: readonly Step[] = isTooMuch
    ? [...gone.map((line): Step => [REMOVED, line]), ...come.map((line): Step => [ADDED, line])]
    : // Its 1 is a line of the first text alone: so lines that go stand before those that come.
      diffLines(gone, come).map(([kind, line]): Step => [kind === 1 ? REMOVED : kind === 0 ? SAME : ADDED, line])
  const same = (line: string): Step => [SAME, line]
  return [...before.slice(0, head).map(same), ...middle, ...before.slice(before.length - tail).map(same)]
}

/** Changes with some lines around each; those whose surroundings touch are one. Of more than `linesMax` only the first. */
function hunks(steps: readonly Step[], linesMax: number): readonly string[] {
  const stretches: { readonly from: number; to: number }[] = []
  for (const [at, [kind]] of steps.entries()) {
    if (kind === SAME) continue
    const [from, to] = [Math.max(0, at - CONTEXT_LINES), Math.min(steps.length, at + CONTEXT_LINES + 1)]
    const last = stretches.at(-1)
    if (last !== undefined && from <= last.to) last.to = to
    else stretches.push({ from, to })
  }
  let at = 0
  let [oldLine, newLine] = [1, 1]
  return stretches.flatMap(({ from, to }) => {
    oldLine += steps.slice(at, from).filter(isOld).length
    newLine += steps.slice(at, from).filter(isNew).length
    const part = steps.slice(from, to)
    const [old, recent] = [part.filter(isOld).length, part.filter(isNew).length]
    const head = `@@ -${old === 0 ? 0 : oldLine},${old} +${recent === 0 ? 0 : newLine},${recent} @@`
    at = to
    oldLine += old
    newLine += recent
    return [head, ...part.slice(0, linesMax).map(([kind, line]) => MARKS[kind] + visible(line))]
  })
}

const isOld = ([kind]: Step): boolean => kind !== ADDED
const isNew = ([kind]: Step): boolean => kind !== REMOVED

/** With its mark. */
const shortened = (line: string): string =>
  line.length > LINE_CHARS_MAX + 1
    ? `${line.slice(0, LINE_CHARS_MAX + 1)}… (${line.length - LINE_CHARS_MAX - 1} more)`
    : line

/** Code that says something else than what is read: characters that turn text round, end a line unseen, or take no room. */
const visible = (line: string): string =>
  line.replace(
    /(?!\t)[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\p{Zl}\p{Zp}\u00a0]/gu,
    (char) => `<U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}>`,
  )

function cutAtLine(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text)
  if (bytes.byteLength <= bytesMax) return text
  return bytes.subarray(0, bytes.lastIndexOf('\n', bytesMax - 1) + 1).toString()
}

/** Tells errors in the plugin's own words: its file, line and column, found through the bundle's source map. */
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'
import type { Bundle } from './sandbox.ts'
import { GUEST_FILE, PLUGIN_FILE } from './protocol.ts'

const maps = new WeakMap<Bundle, TraceMap | null>()
const FRAME = new RegExp(`${PLUGIN_FILE.replace('.', '\\.')}:(\\d{1,9}):(\\d{1,9})`)
const FRAMES = new RegExp(FRAME, 'g')
/** A whole line of a stack. */
const OWN_FRAME = new RegExp(`^ +at .*${GUEST_FILE.replace('.', '\\.')}:\\d+:\\d+\\)?$`)
const FRAMES_MAX = 30

/** Where an error happened and the way there, both in the plugin's sources; frames of the hub's own code are left out. */
export interface PluginTrace {
  /** `src/index.ts:12:7`, or null when no frame is the plugin's. */
  readonly place: string | null
  readonly stack: string
}

/** Maps the stack text of an error that crossed the border. */
export function traceOf(bundle: Bundle, stack: string): PluginTrace {
  const lines: string[] = []
  let place: string | null = null
  let fallback: string | null = null
  for (const line of stack.split('\n').slice(0, FRAMES_MAX)) {
    const frame = FRAME.exec(line)
    if (frame === null) continue
    const found = original(bundle, Number(frame[1]), Number(frame[2]))
    if (found === null) continue
    const at = `${found.source}:${found.line}:${found.column + 1}`
    lines.push(`    at ${at}`)
    fallback ??= at
    // What the author wrote is more useful than the inside of a package.
    if (!found.source.includes('node_modules/') && found.source !== 'manifold/plugin') place ??= at
  }
  return { place: place ?? fallback, stack: lines.join('\n') }
}

/** A text of the plugin's, such as a stack it logs: with places in its own files, without frames of the hub's code. */
export function inSources(bundle: Bundle, text: string): string {
  if (!text.includes(`${PLUGIN_FILE}:`)) return text
  const lines = text.split('\n').filter((line) => !OWN_FRAME.test(line))
  return lines.join('\n').replaceAll(FRAMES, (frame, line: string, column: string) => {
    const found = original(bundle, Number(line), Number(column))
    return found === null ? frame : `${found.source}:${found.line}:${found.column + 1}`
  })
}

function original(
  bundle: Bundle,
  line: number,
  column: number,
): { source: string; line: number; column: number } | null {
  const map = mapOf(bundle)
  if (map === null) return null
  const found = originalPositionFor(map, { line, column: Math.max(0, column - 1) })
  return found.source === null || found.line === null
    ? null
    : { source: found.source, line: found.line, column: found.column }
}

function mapOf(bundle: Bundle): TraceMap | null {
  const known = maps.get(bundle)
  if (known !== undefined) return known
  let map: TraceMap | null = null
  try {
    map = new TraceMap(bundle.sourceMap)
  } catch {
    // A bundle without a usable map still runs; its errors just have no place.
  }
  maps.set(bundle, map)
  return map
}

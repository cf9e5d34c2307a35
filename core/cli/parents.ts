/**
 * Notices when the `npm` that started us is gone. npm runs scripts through a shell, and a shell that is killed tells nobody:
 * the hub would live on, holding its port and its data, after whoever started it believes it stopped.
 */
import { readFileSync } from 'node:fs'

const LOOK_EVERY_MS = 300
/** Bootstrap, shell, npm. */
const LEVELS_MAX = 3

/** Calls back once when a process between us and npm, or npm itself, has ended. Does nothing when npm did not start us. */
export function whenAbandoned(callback: () => void): void {
  const chain = chainToNpm()
  if (chain === null) return
  const timer = setInterval(() => {
    if (chain.every(([pid, parent]) => parentOf(pid) === parent)) return
    clearInterval(timer)
    callback()
  }, LOOK_EVERY_MS)
  timer.unref()
}

/** Pairs of process and parent, from us up to npm; null when there is no npm above us. */
function chainToNpm(): readonly (readonly [number, number | null])[] | null {
  const chain: [number, number | null][] = []
  let pid = process.pid
  for (let level = 0; level < LEVELS_MAX; level++) {
    const parent = parentOf(pid)
    if (parent === null || parent <= 1) return null
    chain.push([pid, parent])
    if (/^npm(\s|$)|npm-cli\.js/.test(read(`/proc/${parent}/cmdline`).replaceAll('\0', ' '))) return chain
    pid = parent
  }
  return null
}

/** From /proc; where there is none, only our own parent is known. */
function parentOf(pid: number): number | null {
  if (pid === process.pid) return process.ppid
  // The name in parentheses may hold anything, so the fields are counted from its end: state, then parent.
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')
  return fields === undefined || fields.length < 2 ? null : Number(fields[1])
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

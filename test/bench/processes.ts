/** What processes cost, read from /proc: CPU and memory of a process with its descendants, and of everybody else. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ROOT } from '../support/hub.ts'

// Clock ticks are 10 ms on every Linux we meet.
const TICK_MS = 10
const KIB = 1_024

/** A process and all it started. */
export function familyOf(pid: number): readonly number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = statOf(Number(name))
    if (fields !== null) parents.set(Number(name), Number(fields[1]))
  }
  const family = [pid]
  for (const member of family) for (const [child, parent] of parents) if (parent === member) family.push(child)
  return family
}

/** CPU the processes have used so far, threads included. */
export const cpuMsOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const fields = statOf(pid)
    return fields === null ? sum : sum + (Number(fields[11]) + Number(fields[12])) * TICK_MS
  }, 0)

/** Fields of /proc/pid/stat behind the name, which may hold blanks: state is 0, ppid 1, utime 11, stime 12. */
function statOf(pid: number): readonly string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

/** `rss` counts shared pages once for each process, `pss` shares them out: the truth for a family is `pss`. */
export function memoryMbOf(pids: readonly number[]): { readonly rss: number; readonly pss: number } {
  let rss = 0
  let pss = 0
  for (const pid of pids) {
    try {
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
      rss += Number(/^Rss:\s+(\d+)/m.exec(text)?.[1] ?? 0)
      pss += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0)
    } catch {
      // It ended between the listing and the reading.
    }
  }
  return { rss: rss / KIB, pss: pss / KIB }
}

/** Busy and total CPU time of the machine so far. */
export function machineMs(): { readonly busy: number; readonly total: number } {
  const fields = (readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] as string).split(/\s+/).slice(1).map(Number)
  const total = fields.slice(0, 8).reduce((sum, value) => sum + value, 0) * TICK_MS
  const idle = ((fields[3] ?? 0) + (fields[4] ?? 0)) * TICK_MS
  return { busy: total - idle, total }
}

/** A part of the bench in its own process, asked over IPC: one question at a time, one answer each. */
export interface Worker<Ask, Reply> extends AsyncDisposable {
  readonly pid: number
  ask(question: Ask): Promise<Reply>
}

/** Starts `test/bench/<file>`; resolves when it says it is ready. */
export async function startWorker<Ask extends object, Reply>(
  file: string,
  args: readonly string[] = [],
): Promise<Worker<Ask, Reply> & { readonly hello: Readonly<Record<string, unknown>> }> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execPath: `${ROOT}node_modules/.bin/node`,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  const hello = (await nextMessage(child)) as Record<string, unknown>
  return {
    hello,
    pid: child.pid as number,
    ask: (question) => {
      const answer = nextMessage(child)
      child.send(question)
      return answer as Promise<Reply>
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    },
  }
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`${child.spawnargs[1]} ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.off('exit', onExit)
      resolve(message)
    })
  })
}

/** The other side of `startWorker`. */
export function serveWorker<Ask>(hello: object, answer: (question: Ask) => unknown): void {
  process.on('message', (question) => {
    void Promise.resolve(answer(question as Ask)).then((reply) => process.send?.(reply ?? {}))
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.(hello)
}

/** The hub's child processes as the kernel sees them, for tests that watch or kill a sandbox. */
import { readFile, readdir } from 'node:fs/promises'

/** Process ids of the living children of a process, of all its threads. */
export async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  )
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number))
}

/** Resident bytes, 0 when the process is gone. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1_024
}

export interface PeakWatch extends Disposable {
  /** Most bytes that any one child of the process has had. */
  readonly childBytesMax: number
  /** Most bytes of the process itself. */
  readonly ownBytesMax: number
}

/** Samples the memory of a process and its children until disposed. */
export function watchPeaks(pid: number, everyMs = 10): PeakWatch {
  let childBytesMax = 0
  let ownBytesMax = 0
  let busy = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    void sample().finally(() => (busy = false))
  }, everyMs)
  const sample = async () => {
    ownBytesMax = Math.max(ownBytesMax, await residentBytes(pid))
    for (const child of await childrenOf(pid)) childBytesMax = Math.max(childBytesMax, await residentBytes(child))
  }
  return {
    get childBytesMax() {
      return childBytesMax
    },
    get ownBytesMax() {
      return ownBytesMax
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

/** strace as a way to make one system call fail or kill, at exactly the nth time. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const APT_TIMEOUT_MS = 120_000

/** Finds strace, on Debian as root installs it; else throws one line that says what to do. */
export async function ensureStrace(): Promise<string> {
  const found = await which()
  if (found !== undefined) return found
  if (process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    await run('apt-get', ['install', '-y', '-qq', 'strace'], { env, timeout: APT_TIMEOUT_MS }).catch(async () => {
      await run('apt-get', ['update', '-qq'], { env, timeout: APT_TIMEOUT_MS }).catch(() => undefined)
      await run('apt-get', ['install', '-y', '-qq', 'strace'], { env, timeout: APT_TIMEOUT_MS }).catch(() => undefined)
    })
  }
  const installed = await which()
  if (installed === undefined)
    throw new Error('This test needs strace: install it with `sudo apt-get install strace` and run it again.')
  return installed
}

async function which(): Promise<string | undefined> {
  return await run('strace', ['--version']).then(
    () => 'strace',
    () => undefined,
  )
}

export interface Injection {
  /** `sync` is fsync and fdatasync alike: which of the two SQLite was built with is its own business. */
  readonly syscall: 'sync' | 'pwrite64'
  /** What happens instead of, or after, the call. */
  readonly effect: 'error=EIO' | 'signal=KILL'
  /** From 1, counted for each thread. */
  readonly nth: number
  /** And every one after it. */
  readonly andLater?: boolean
}

/**
 * A launcher for `startHub`. `-D` keeps the hub as our own child (the tracer steps aside), so signals reach it and its
 * end is its own.
 */
export async function straceLauncher({
  syscall,
  effect,
  nth,
  andLater = false,
}: Injection): Promise<readonly string[]> {
  const strace = await ensureStrace()
  const calls = syscall === 'sync' ? 'fsync,fdatasync' : syscall
  const inject = `inject=${calls}:${effect}:when=${nth}${andLater ? '+' : ''}`
  // Only the named calls stop then, which is much faster; but strace 6.1 loses injected signals with it.
  const fast = effect.startsWith('error=') ? ['--seccomp-bpf'] : []
  return [strace, '-D', '-f', ...fast, '-qqq', '-o', '/dev/null', '-e', `trace=${calls}`, '-e', inject]
}

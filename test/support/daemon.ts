/** A server process of the tests: it ends with whoever started it, however that ends, and its folder goes with it. */
import { execFile, spawn } from 'node:child_process'
import { chown, mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const STOP_TIMEOUT_MS = 15_000
/**
 * The shell lives on a pipe of ours: when we are gone, however we went, it ends the server, also one that a test has
 * stopped, and removes the folder.
 */
const KEEPER =
  '"$@" </dev/null >"$0/server.log" 2>&1 & pid=$!; echo $pid; read -r _; kill -INT $pid; kill -CONT $pid; wait $pid; rm -rf "$0"'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface Daemon {
  readonly pid: number
  /** Ends it in order (SIGINT), then by force, and removes its folder. */
  stop(): Promise<void>
}

/** Starts `command` in `dir`, which is its own, with its output in `server.log` there. */
export async function startDaemon(options: {
  readonly dir: string
  readonly command: readonly string[]
  readonly owner?: Owner | undefined
}): Promise<Daemon> {
  const { dir, command, owner } = options
  const keeper = spawn('sh', ['-c', KEEPER, dir, ...command], {
    ...owner,
    cwd: dir,
    // Ctrl-C at a terminal must reach the keeper through the pipe, not as a signal that ends it before its server.
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const ended = new Promise<void>((resolve) => keeper.once('close', () => resolve()))
  keeper.stdin.on('error', () => {})
  const pid = await new Promise<number>((resolve, reject) => {
    keeper.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())))
    keeper.once('error', reject)
  })
  // The tests end when they are done, not when their servers are.
  keeper.unref()
  return {
    pid,
    stop: async () => {
      keeper.stdin.end()
      const late = setTimeout(() => kill(pid), STOP_TIMEOUT_MS)
      await ended
      clearTimeout(late)
    },
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone meanwhile.
  }
}

/** A new folder below the system's temporary one that belongs to `owner`. */
export async function daemonDir(label: string, owner?: Owner): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), `manifold-${label}-`))
  if (owner !== undefined) await chown(dir, owner.uid, owner.gid)
  return dir
}

/** A TCP port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** The user of this name; undefined when there is none. */
export async function ownerOf(user: string): Promise<Owner | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, user])).stdout)),
    )
    return uid === undefined || gid === undefined ? undefined : { uid, gid }
  } catch {
    return undefined
  }
}

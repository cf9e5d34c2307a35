/** `manifold dev` in a folder of its own, as an author has it beside the editor. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { COMPILE_CACHE, ROOT, TEST_ADMIN_KEY } from './hub.ts'
import { until } from './wait.ts'

export interface Dev extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** Everything on stderr so far. */
  said(): string
  /** The next line of the log, from now on, that has this message and these fields; with when it was read. */
  next(
    what: { readonly msg: string | RegExp; readonly installation?: string },
    withinMs?: number,
  ): Promise<{ readonly line: Readonly<Record<string, unknown>>; readonly atMs: number }>
}

type Line = Readonly<Record<string, unknown>>

/** Resolves when it serves and follows the folders. */
export async function startDev(cwd: string, args: readonly string[] = []): Promise<Dev> {
  const child = spawn(`${ROOT}node_modules/.bin/node`, [`${ROOT}core/cli/main.ts`, 'dev', '--port', '0', ...args], {
    cwd,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      MANIFOLD_ADMIN_KEY: TEST_ADMIN_KEY,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let said = ''
  let url = ''
  const listeners = new Set<(line: Line, atMs: number) => void>()
  createInterface({ input: child.stdout }).on('line', (line) => (url ||= (JSON.parse(line) as { url: string }).url))
  createInterface({ input: child.stderr }).on('line', (line) => {
    const atMs = performance.now()
    said += `${line}\n`
    if (!line.startsWith('{')) return
    const fields = JSON.parse(line) as Line
    for (const listener of listeners) listener(fields, atMs)
  })
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
  }
  try {
    await until('dev to follow the folders', () => said, { accept: (text) => text.includes('following manifold.yaml') })
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url,
    pid: child.pid as number,
    said: () => said,
    next: ({ msg, installation }, withinMs = 10_000) =>
      new Promise((resolve, reject) => {
        const listener = (line: Line, atMs: number): void => {
          const text = String(line['msg'])
          if (typeof msg === 'string' ? text !== msg : !msg.test(text)) return
          if (installation !== undefined && line['installation'] !== installation) return
          clearTimeout(late)
          listeners.delete(listener)
          resolve({ line, atMs })
        }
        const late = setTimeout(() => {
          listeners.delete(listener)
          reject(new Error(`dev did not say ${String(msg)} of ${installation ?? 'anything'} in time:\n${said}`))
        }, withinMs)
        listeners.add(listener)
      }),
    [Symbol.asyncDispose]: stop,
  }
}

/** What the log says when a saved plugin has taken over. */
export const SWAPPED = 'an installation runs with new code or settings'
